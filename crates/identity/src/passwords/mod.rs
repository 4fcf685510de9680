//! Passwords: hashing and checking, off the async threads and bounded.
//!
//! Hashes are those of Keystone ([`schemes`]). A check costs one hash in any case, also
//! for a user who does not exist or has no password (K12).

mod pool;
mod rules;
mod schemes;

use zeroize::Zeroizing;

use crate::config::PasswordConfig;
use crate::fault::Fault;
use pool::Pool;

pub use rules::{Rules, day};
pub use schemes::hash;

/// Passwords longer than this are refused before anything is computed (K06), in bytes.
pub const MAX_PASSWORD: usize = 4096;

/// Earlier passcodes a server may be told to accept.
const MOST_WINDOWS: u32 = 10;

/// Why there can be no hashing.
#[derive(Debug, thiserror::Error)]
pub enum PasswordsError {
    #[error("password_rounds: {0} is not between 4 and 31")]
    Rounds(u32),
    #[error("password_regex is not a regular expression")]
    Pattern(#[source] Box<fancy_regex::Error>),
    #[error("totp_included_previous_windows: {0} is not between 0 and 10")]
    Windows(u32),
    #[error("cannot start the threads that hash")]
    Threads(#[from] std::io::Error),
}

/// Hashes and checks passwords.
pub struct Passwords {
    /// What new ones have to be.
    pub rules: Rules,
    rounds: u32,
    pool: Pool,
    /// What a password is checked against when there is none to check against.
    nobody: String,
}

impl Passwords {
    pub fn new(config: &PasswordConfig) -> Result<Self, PasswordsError> {
        if !(4..=31).contains(&config.rounds) {
            return Err(PasswordsError::Rounds(config.rounds));
        }
        if config.previous_passcodes > MOST_WINDOWS {
            return Err(PasswordsError::Windows(config.previous_passcodes));
        }
        let rules = Rules::new(config.compliance.clone())?;
        // Looks like a hash and costs like one, but is that of no known password.
        let nobody = format!("$2b${:02}${}.{}.", config.rounds, random_text(21), random_text(30));
        Ok(Self { rules, rounds: config.rounds, pool: Pool::start(config.threads, config.queue)?, nobody })
    }

    /// The hash to store.
    pub async fn hash(&self, password: &str) -> Result<String, Fault> {
        let password = Zeroizing::new(password.to_owned());
        let rounds = self.rounds;
        self.pool.run(move || hash(&password, rounds)).await?.map_err(Fault::internal)
    }

    /// Whether the password belongs to the hash. Takes as long without a hash.
    pub async fn check(&self, password: &str, hash: Option<&str>) -> Result<bool, Fault> {
        let password = Zeroizing::new(password.to_owned());
        let known = hash.is_some();
        let hash = hash.unwrap_or(&self.nobody).to_owned();
        let nobody = self.nobody.clone();
        let right = self.pool.run(move || verify(&password, &hash, &nobody)).await?;
        Ok(right && known)
    }

    /// Whether a login should replace this hash by one as they are made now.
    pub fn is_outdated(&self, hash: &str) -> bool {
        schemes::is_outdated(hash, self.rounds)
    }
}

/// As [`schemes::verify`], but something is computed in any case.
fn verify(password: &str, hash: &str, nobody: &str) -> bool {
    schemes::verify(password, hash).unwrap_or_else(|| {
        let _ = bcrypt::verify(password, nobody);
        false
    })
}

/// Characters of bcrypt's own base64.
fn random_text(length: usize) -> String {
    const ALPHABET: &[u8] = b"./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    (0..length).map(|_| char::from(ALPHABET[rand::random_range(0..ALPHABET.len())])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn k13_long_passwords_count_to_their_last_byte() {
        let nobody = hash("nobody", 4).expect("a hash");
        for length in [1, 71, 72, 73, 200, MAX_PASSWORD] {
            let password = "x".repeat(length);
            let stored = hash(&password, 4).expect("a hash");
            assert!(verify(&password, &stored, &nobody), "{length}");
            assert!(!verify(&format!("{password}y"), &stored, &nobody), "{length} and one more");
            assert!(!verify(&password[..length - 1], &stored, &nobody), "{length} less one");
        }
    }

    #[test]
    fn hashes_of_keystone_are_understood() {
        // Made with passlib 1.7 (bcrypt and bcrypt_sha256), as Keystone stores them.
        let nobody = hash("nobody", 4).expect("a hash");
        let short = "$2b$04$b9JudMEcY6T5dADaHynM/OQxhQQ9DNJRc6dBd2bNozVLw4eTn7asC";
        assert!(verify("short password", short, &nobody));
        assert!(!verify("short passwor", short, &nobody));
        let long = "$bcrypt-sha256$v=2,t=2b,r=4$roFKjyk9s9Y0STbc6DEkXO$Rdu3tiZ9rmKZcM4en5H9K39UODBdQCS";
        assert!(verify(&"long ".repeat(40), long, &nobody));
        assert!(!verify(&"long ".repeat(39), long, &nobody));
        let parts = hash("short", 4).expect("a hash");
        assert!(parts.starts_with("$2b$04$") && parts.len() == 60);
        let long = hash(&"x".repeat(100), 4).expect("a hash");
        assert!(long.starts_with("$bcrypt-sha256$v=2,t=2b,r=4$"), "{long}");
    }

    #[test]
    fn scrypt_argon2_and_pbkdf2_hashes_are_accepted_and_outdated() {
        // Made with Keystone 30 and with passlib 1.7 of "short password".
        let hashes = [
            "$scrypt$ln=4,r=8,p=1$xyvDMd6RRgR/j2RSbH8EBg$uVuh9gfcX4Jwhw8d5O0sUvz9y9hZXZXcuerbbi9Shnw",
            "$scrypt$ln=4,r=8,p=1$3xuDcM6Z0/r/nzOG0Pr/Hw$lHZbQdw/6L4OhFtcMRUegZ4xqCsAoXBbZ7sk5VbbGs4",
            "$pbkdf2-sha512$50$IVL8FwZBnnyEyVHX3m5rLg$2B567+Q0JBoDIpaSErxDPkvT9DlMa3AxbfeTXaFoKwepc8mgEjSZaLv/1FqyJoMbZ3fVJ86YKc2iyMgGNMojGg",
            "$pbkdf2-sha512$50$hnCOca51rrVW6j0nBKDUOg$KP983yvn56t0yue.ulb/eouG1yZ65vHBPEILguPLG2Lj2e/y6DIWu/.G90jJITpDfC6Rl0T1qcNozs8RHpIQOg",
            "$argon2id$v=19$m=64,t=1,p=1$3lvLGSNkrFXK+V9rTSkFwA$3uXbCVi6uB/whyuoQIO/iCILAynz7fhP2Mrtj5cVwGo",
            "$argon2i$v=19$m=64,t=1,p=2$0Pq/l5KyNgZAKOWck5ISwg$vTvTUpn8wOynmwu69JiKUXvNS6+u+i35t+Whxco5zq4",
            "$bcrypt-sha256$v=2,t=2b,r=4$oJQa4b93mf1elcxdzgpnqu$5EDvAsfgezL8knRywP4saNpNXgPcDRq",
            "$2b$04$DcvJBVQqMnQAfJsO2Qsh7eWyOKGiV0vGGzN7ENxHmoJuzDRlHXQkO",
        ];
        for hash in hashes {
            assert_eq!(schemes::verify("short password", hash), Some(true), "{hash}");
            assert_eq!(schemes::verify("short passwore", hash), Some(false), "{hash}");
            assert!(schemes::is_outdated(hash, 5), "{hash}");
            assert_eq!(
                schemes::is_outdated(hash, 4),
                !hash.starts_with("$2b$") && !hash.starts_with("$b"),
                "{hash}"
            );
        }
    }

    #[test]
    fn hashes_that_are_damaged_or_cost_too_much_are_refused_uncomputed() {
        let hashes = [
            "",
            "$",
            "plain",
            "$1$salt$checksum",
            "$scrypt$ln=40,r=8,p=1$xyvDMd6RRgR/j2RSbH8EBg$uVuh9gfcX4Jwhw8d5O0sUvz9y9hZXZXcuerbbi9Shnw",
            "$scrypt$ln=20,r=8000,p=1$xyvDMd6RRgR/j2RSbH8EBg$uVuh9gfcX4Jwhw8d5O0sUvz9y9hZXZXcuerbbi9Shnw",
            "$scrypt$ln=4,r=8$xyvDMd6RRgR/j2RSbH8EBg$uVuh",
            "$pbkdf2-sha512$4000000000$IVL8FwZBnnyEyVHX3m5rLg$2B56",
            "$argon2id$v=19$m=4294967295,t=1,p=1$3lvLGSNkrFXK+V9rTSkFwA$3uXbCVi6uB/whyuoQIO/iCILAynz7fhP2Mrtj5cVwGo",
            "$argon2id$v=19$m=64,t=1,p=1$3lvLGSNkrFXK+V9rTSkFwA$",
            "$2b$04$short",
        ];
        for hash in hashes {
            assert_eq!(schemes::verify("short password", hash), None, "{hash}");
        }
    }
}
