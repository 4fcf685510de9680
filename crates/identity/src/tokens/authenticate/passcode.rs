//! Proof by a one-time password (`totp`, RFC 6238): what a device shows for 30 seconds. Its
//! seed is the blob of a credential of type `totp`, in Base32.
//!
//! A passcode is good once (RFC 6238 §5.2), and is used up only when all other proofs of its
//! login hold. Names nobody has, and users without a device, are treated as others (K12).

use isospin_store_kit::values;
use totp_rs::{Builder, Secret};

use super::super::now;
use super::super::request::MemberHandle;
use super::Proven;
use super::account::{self, digest, hex};
use super::failures::count;
use super::password::check_idle;
use crate::IdentityApp;
use crate::fault::Fault;
use crate::resources::credential::{Credential, store};

/// Type of the credentials.
const TYPE: &str = "totp";
/// Seconds a passcode is shown.
const PERIOD: u64 = 30;

/// A passcode that is right.
#[derive(Debug, PartialEq, Eq)]
pub struct Passcode {
    credential_id: String,
    /// The period it is of, counted since 1970.
    step: i64,
}

impl Passcode {
    /// Refuses one that is not later than the last that was used.
    pub async fn use_up(&self, app: &IdentityApp) -> Result<(), Fault> {
        let (id, step) = (self.credential_id.clone(), self.step);
        let sql = "INSERT INTO used_passcodes (credential_id, step) \
                   SELECT id, CAST($1 AS BIGINT) FROM credentials WHERE id = $2 \
                   ON CONFLICT (credential_id) DO UPDATE SET step = EXCLUDED.step \
                   WHERE used_passcodes.step < EXCLUDED.step";
        let used =
            app.store.write("", move |tx| Box::pin(async move { tx.execute(sql, values![step, id]).await }));
        match used.await.map_err(|error: isospin_store_kit::StoreError| error)? {
            0 => Err(Fault::unauthorized()),
            _ => Ok(()),
        }
    }
}

/// The user one of whose devices shows this passcode.
pub async fn by_passcode(app: &IdentityApp, user: &MemberHandle, passcode: &str) -> Result<Proven, Fault> {
    let name = digest("user", user);
    app.wrong_passcodes.check(&name)?;
    let keys = &app.credential_keys;
    let mut reader = app.store.reader().await?;
    let account = account::find(&mut reader, user).await?;
    let user_id = account.as_ref().map_or("", |account| &account.user_id);
    let seeds = store::of_user_or_other(&mut reader, keys, user_id, TYPE, &hex(&name[..16])).await?;
    drop(reader);
    let shown = find(&seeds, passcode, now().cast_unsigned(), app.config.passwords.previous_passcodes);
    let is_own =
        |shown: &Passcode| seeds.iter().any(|seed| seed.id == shown.credential_id && seed.user_id == user_id);
    let shown = shown.filter(is_own);
    count(app, &app.wrong_passcodes, &name, account.as_ref(), shown.is_some()).await?;
    match (account, shown) {
        (Some(account), Some(shown)) => {
            check_idle(app, &account).await?;
            Ok(Proven::in_person(account, Some(shown)))
        }
        _ => {
            tracing::info!(?user, "login with a wrong name or passcode");
            Err(Fault::unauthorized())
        }
    }
}

/// The seed and the period a passcode is of, this one or one of so many before. Seeds that
/// are not Base32 show nothing.
fn find(seeds: &[Credential], passcode: &str, now: u64, previous: u32) -> Option<Passcode> {
    let mut found = None;
    for seed in seeds {
        let Ok(secret) = Secret::try_from_base32(seed.blob.trim_end_matches('=')) else { continue };
        let device =
            Builder::new().with_skew(0).with_step_duration(PERIOD).with_secret(secret).build_noncompliant();
        for period in 0..=u64::from(previous) {
            let step = device.check(passcode, now.saturating_sub(period * PERIOD));
            if let (None, Some(step)) = (&found, step) {
                found = Some(Passcode { credential_id: seed.id.clone(), step: step.cast_signed() });
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seed(id: &str, blob: &str) -> Credential {
        Credential {
            id: id.to_owned(),
            user_id: "u".to_owned(),
            project_id: None,
            kind: TYPE.to_owned(),
            blob: blob.to_owned(),
            extra: serde_json::Map::new(),
        }
    }

    #[test]
    fn passcodes_are_those_of_rfc_6238() {
        // Appendix B, its last six digits; the seed is "12345678901234567890".
        let seeds = [seed("broken", "not Base32!"), seed("s", "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ====")];
        for (time, passcode) in [
            (59_u64, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            let step = i64::try_from(time / 30).expect("small");
            let right = Some(Passcode { credential_id: "s".to_owned(), step });
            assert_eq!(find(&seeds, passcode, time, 0), right, "{time}");
            assert_eq!(find(&seeds, passcode, time + 30, 1), right, "{time}, a period later");
            assert_eq!(find(&seeds, passcode, time + 30, 0), None, "{time}, where later is too late");
            assert_eq!(find(&seeds, passcode, time + 60, 1), None, "{time}, two periods later");
            assert_eq!(find(&seeds, passcode, time - 30, 1), None, "{time}, before its time");
        }
        for wrong in ["", "28708", "2870820", "+28708", "２８７０８２"] {
            assert_eq!(find(&seeds, wrong, 59, 1), None, "{wrong}");
        }
    }
}
