//! What a password has to be, and how long it is good: `[identity.security_compliance]`,
//! with Keystone's names, rules and texts (reference/identity-api.md §14).

use fancy_regex::{Regex, RegexBuilder};

use super::PasswordsError;
use crate::config::SecurityCompliance;
use crate::fault::Fault;

const DAY: i64 = 86_400;
/// Steps back a match may take: far more than patterns for passwords need.
const MOST_STEPS: usize = 100_000;

/// The rules of the configuration.
pub struct Rules {
    config: SecurityCompliance,
    pattern: Option<Regex>,
}

impl Rules {
    pub fn new(config: SecurityCompliance) -> Result<Self, PasswordsError> {
        // From the beginning of a password, as Python matches.
        let pattern = config
            .password_regex
            .as_ref()
            .map(|pattern| RegexBuilder::new(&format!("^(?:{pattern})")).backtrack_limit(MOST_STEPS).build());
        let pattern = pattern.transpose().map_err(|reason| PasswordsError::Pattern(Box::new(reason)))?;
        Ok(Self { config, pattern })
    }

    /// Refuses a password that is not strong enough. One that takes the pattern too long is not.
    pub fn check_strength(&self, password: &str) -> Result<(), Fault> {
        let Some(pattern) = &self.pattern else { return Ok(()) };
        if pattern.is_match(password).unwrap_or(false) {
            return Ok(());
        }
        let wanted = match &self.config.password_regex_description {
            Some(description) => description.clone(),
            None => format!("it does not match {pattern}"),
        };
        Err(Fault::bad_request(format!("The password does not match the requirements: {wanted}.")))
    }

    /// Refuses to change a password its user chose (`since`) too short a time ago.
    pub fn check_age(&self, since: i64, now: i64) -> Result<(), Fault> {
        let days = self.config.minimum_password_age;
        let left = since.saturating_add(i64::from(days) * DAY).saturating_sub(now);
        if left <= 0 {
            return Ok(());
        }
        Err(Fault::bad_request(format!(
            "You cannot change your password at this time due to the minimum password age. Once you change your \
             password, it must be used for {days} day(s) before it can be changed. Please try again in {} day(s) or \
             contact your administrator to reset your password.",
            left / DAY
        )))
    }

    /// When a password made now by its user expires.
    pub fn expiry(&self, ignores_expiry: bool, now: i64) -> Option<i64> {
        let days = self.config.password_expires_days.filter(|_| !ignores_expiry)?;
        Some(now.saturating_add(i64::from(days) * DAY))
    }

    /// When one somebody else has given expires: at once, where users are to choose their own.
    pub fn expiry_of_given(&self, ignores_first_use: bool, ignores_expiry: bool, now: i64) -> Option<i64> {
        if self.config.change_password_upon_first_use && !ignores_first_use {
            return Some(now);
        }
        self.expiry(ignores_expiry, now)
    }

    /// How many passwords in a row have to be different, the new one not counted.
    pub fn unique_count(&self) -> u32 {
        self.config.unique_last_password_count
    }

    /// Refuses a password that was one of those.
    pub fn used_before(&self) -> Fault {
        Fault::bad_request(format!(
            "The new password cannot be identical to a previous password. The total number which includes the new \
             password must be unique is {}.",
            self.config.unique_last_password_count
        ))
    }

    /// The last day of activity that is too long ago today, where there is one.
    pub fn idle_since(&self, now: i64) -> Option<i64> {
        self.config.disable_user_account_days_inactive.map(|days| day(now).saturating_sub(i64::from(days)))
    }
}

/// The day of a time, counted since 1970.
pub fn day(seconds: i64) -> i64 {
    seconds.div_euclid(DAY)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(change: impl FnOnce(&mut SecurityCompliance)) -> Rules {
        let mut config = SecurityCompliance::default();
        change(&mut config);
        Rules::new(config).expect("rules")
    }

    #[test]
    fn nothing_is_asked_for_unless_it_is_configured() {
        let rules = rules(|_| {});
        assert!(rules.check_strength("").is_ok() && rules.check_age(1000, 1000).is_ok());
        assert_eq!((rules.expiry(false, 5), rules.expiry_of_given(false, false, 5)), (None, None));
        assert_eq!((rules.unique_count(), rules.idle_since(5)), (0, None));
    }

    #[test]
    fn strength_is_the_pattern_of_keystones_manual_from_the_beginning() {
        let strong = |pattern: &str, password: &str| {
            rules(|config| config.password_regex = Some(pattern.to_owned())).check_strength(password).is_ok()
        };
        let manual = r"^(?=.*\d)(?=.*[a-zA-Z]).{7,}$";
        for (password, expected) in
            [("abcdef1", true), ("abcde1", false), ("abcdefg", false), ("1234567", false)]
        {
            assert_eq!(strong(manual, password), expected, "{password}");
        }
        assert!(strong("a|b", "b and more") && !strong("a|b", "not at the beginning: b"));
        // Would take an exponential time.
        assert!(!strong("(?=x)(x+x+)+y", &"x".repeat(60)));
        let wrong =
            SecurityCompliance { password_regex: Some("(".to_owned()), ..SecurityCompliance::default() };
        assert!(Rules::new(wrong).is_err());
    }

    #[test]
    fn the_description_is_what_users_are_told() {
        let described = rules(|config| {
            config.password_regex = Some("^.{7}".to_owned());
            config.password_regex_description = Some("at least seven characters".to_owned());
        });
        let told = described.check_strength("short").expect_err("refused").message;
        assert_eq!(told, "The password does not match the requirements: at least seven characters.");
        let bare = rules(|config| config.password_regex = Some("^.{7}".to_owned()));
        let told = bare.check_strength("secret").expect_err("refused").message;
        assert!(told.contains("^.{7}") && !told.contains("secret"), "{told}");
    }

    #[test]
    fn passwords_have_an_age() {
        let rules = rules(|config| {
            config.minimum_password_age = 2;
            config.password_expires_days = Some(3);
            config.change_password_upon_first_use = true;
            config.disable_user_account_days_inactive = Some(10);
        });
        assert!(rules.check_age(0, 2 * DAY).is_ok());
        let told = rules.check_age(0, DAY / 2).expect_err("too young").message;
        assert!(told.contains("used for 2 day(s)") && told.contains("again in 1 day(s)"), "{told}");
        assert_eq!((rules.expiry(false, 5), rules.expiry(true, 5)), (Some(3 * DAY + 5), None));
        assert_eq!(rules.expiry_of_given(false, true, 5), Some(5));
        assert_eq!(rules.expiry_of_given(true, false, 5), Some(3 * DAY + 5));
        assert_eq!(rules.idle_since(20 * DAY + 1), Some(10));
    }
}
