//! Passwords: hashing and checking, off the async threads and bounded.
//!
//! Hashes are those of Keystone: bcrypt (`$2b$`), and `$bcrypt-sha256$` for what
//! is longer than bcrypt reads (K13). A check costs one hash in any case, also for
//! a user who does not exist or has no password (K12).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

use crate::config::PasswordConfig;
use crate::fault::Fault;

/// Passwords longer than this are refused before anything is computed (K06), in bytes.
pub const MAX_PASSWORD: usize = 4096;

/// bcrypt reads 72 bytes, the final NUL among them.
const BCRYPT_BYTES: usize = 72;
const LONG_PREFIX: &str = "$bcrypt-sha256$v=2,t=2b,r=";

/// Hashes and checks passwords.
pub struct Passwords {
    rounds: u32,
    queue: usize,
    waiting: AtomicUsize,
    threads: Arc<Semaphore>,
    /// What a password is checked against when there is none to check against.
    nobody: String,
}

impl Passwords {
    pub fn new(config: &PasswordConfig) -> Result<Self, bcrypt::BcryptError> {
        if !(4..=31).contains(&config.rounds) {
            return Err(bcrypt::BcryptError::CostNotAllowed(config.rounds));
        }
        // Looks like a hash and costs like one, but is that of no known password.
        let nobody = format!("$2b${:02}${}.{}.", config.rounds, random_text(21), random_text(30));
        Ok(Self {
            rounds: config.rounds,
            queue: config.queue,
            waiting: AtomicUsize::new(0),
            threads: Arc::new(Semaphore::new(config.threads.max(1))),
            nobody,
        })
    }

    /// The hash to store.
    pub async fn hash(&self, password: &str) -> Result<String, Fault> {
        let password = Zeroizing::new(password.to_owned());
        let rounds = self.rounds;
        self.run(move || hash(&password, rounds)).await?.map_err(Fault::internal)
    }

    /// Whether the password belongs to the hash. Takes as long without a hash.
    pub async fn check(&self, password: &str, hash: Option<&str>) -> Result<bool, Fault> {
        let password = Zeroizing::new(password.to_owned());
        let known = hash.is_some();
        let hash = hash.unwrap_or(&self.nobody).to_owned();
        let nobody = self.nobody.clone();
        let right = self.run(move || verify(&password, &hash, &nobody)).await?;
        Ok(right && known)
    }

    async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Fault> {
        let waiting = Waiting::enter(&self.waiting, self.queue)?;
        let turn = Arc::clone(&self.threads).acquire_owned().await.map_err(Fault::internal)?;
        drop(waiting);
        // The turn goes with the work: a client that hangs up does not free it early.
        let task = tokio::task::spawn_blocking(move || {
            let result = work();
            drop(turn);
            result
        });
        task.await.map_err(Fault::internal)
    }
}

/// Characters of bcrypt's own base64.
fn random_text(length: usize) -> String {
    const ALPHABET: &[u8] = b"./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    (0..length).map(|_| char::from(ALPHABET[rand::random_range(0..ALPHABET.len())])).collect()
}

/// One of those who wait for a turn; counted until dropped.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn enter(count: &'a AtomicUsize, most: usize) -> Result<Self, Fault> {
        if count.fetch_add(1, Ordering::AcqRel) >= most {
            count.fetch_sub(1, Ordering::AcqRel);
            return Err(Fault::busy());
        }
        Ok(Self(count))
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Computes a hash on this thread.
pub fn hash(password: &str, rounds: u32) -> Result<String, bcrypt::BcryptError> {
    if password.len() < BCRYPT_BYTES {
        return bcrypt::non_truncating_hash(password, rounds);
    }
    let salt: [u8; 16] = rand::random();
    // The text form of the salt keys the first hash; it is the same for any password.
    let parts = bcrypt::hash_with_salt([], 4, salt)?;
    let text = parts.get_salt();
    let parts = bcrypt::hash_with_salt(shorten(password, &text), rounds, salt)?;
    let whole = parts.format_for_version(bcrypt::Version::TwoB);
    let checksum = whole.get(29..).unwrap_or_default();
    Ok(format!("{LONG_PREFIX}{rounds}${text}${checksum}"))
}

fn verify(password: &str, hash: &str, nobody: &str) -> bool {
    let answer = match hash.strip_prefix(LONG_PREFIX) {
        Some(rest) => {
            long_to_bcrypt(rest).map(|(salt, hash)| bcrypt::verify(shorten(password, &salt), &hash))
        }
        None if password.len() < BCRYPT_BYTES => Some(bcrypt::non_truncating_verify(password, hash)),
        // Such a hash was never made from a password this long.
        None => None,
    };
    match answer {
        Some(Ok(right)) => right,
        _ => {
            let _ = bcrypt::verify(password, nobody);
            false
        }
    }
}

/// What bcrypt gets instead of a long password: 44 characters.
fn shorten(password: &str, salt: &str) -> String {
    // HMAC takes keys of any length.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(salt.as_bytes()) else { return String::new() };
    mac.update(password.as_bytes());
    STANDARD.encode(mac.finalize().into_bytes())
}

/// `12$<salt>$<checksum>` as salt and bcrypt hash.
fn long_to_bcrypt(rest: &str) -> Option<(String, String)> {
    let mut parts = rest.split('$');
    let rounds: u32 = parts.next()?.parse().ok()?;
    let (salt, checksum) = (parts.next()?, parts.next()?);
    Some((salt.to_owned(), format!("$2b${rounds:02}${salt}{checksum}")))
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
}
