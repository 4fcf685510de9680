//! The hashes Keystone stores, by the form passlib gave them.
//!
//! New ones are bcrypt; `$bcrypt-sha256$` for what is longer than bcrypt reads (K13).
//! scrypt, argon2 and PBKDF2 with SHA-512 are checked only: a login replaces them.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::general_purpose::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Sha256, Sha512};

/// bcrypt reads 72 bytes, the final NUL among them.
const BCRYPT_BYTES: usize = 72;
const LONG_PREFIX: &str = "$bcrypt-sha256$";
/// What a stored hash may cost at most: 1 GiB of memory, or so many rounds.
const MOST_SCRYPT_LOG_N: u8 = 20;
const MOST_MEMORY_KIB: u32 = 1 << 20;
const MOST_ROUNDS: u32 = 10_000_000;

/// Base64 as passlib writes it: without padding, read with or without.
const UNPADDED: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

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
    Ok(format!("{LONG_PREFIX}v=2,t=2b,r={rounds}${text}${checksum}"))
}

/// Whether the password belongs to the hash; `None` for a hash that is not understood
/// or was never made from a password like this, for which nothing was computed.
pub fn verify(password: &str, hash: &str) -> Option<bool> {
    if let Some(rest) = hash.strip_prefix(LONG_PREFIX) {
        let (salt, hash) = long_to_bcrypt(rest)?;
        return bcrypt::verify(shorten(password, &salt), &hash).ok();
    }
    let mut parts = hash.strip_prefix('$')?.split('$');
    match parts.next()? {
        "scrypt" => scrypt(password, parts.collect::<Vec<_>>().as_slice()),
        "pbkdf2-sha512" => pbkdf2(password, parts.collect::<Vec<_>>().as_slice()),
        kind @ ("argon2i" | "argon2id" | "argon2d") => {
            argon2(password, kind, parts.collect::<Vec<_>>().as_slice())
        }
        "2a" | "2b" | "2y" if password.len() < BCRYPT_BYTES => {
            bcrypt::non_truncating_verify(password, hash).ok()
        }
        _ => None,
    }
}

/// Whether a login should replace the hash: it is of another kind, or cheaper than new ones.
pub fn is_outdated(hash: &str, rounds: u32) -> bool {
    let cost = match hash.strip_prefix(LONG_PREFIX) {
        Some(rest) => parameter(rest.split('$').next().unwrap_or_default(), "r"),
        None => hash.strip_prefix("$2b$").and_then(|rest| rest.split('$').next()?.parse().ok()),
    };
    cost.is_none_or(|cost: u32| cost < rounds)
}

/// What bcrypt gets instead of a long password: 44 characters.
fn shorten(password: &str, salt: &str) -> String {
    // HMAC takes keys of any length.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(salt.as_bytes()) else { return String::new() };
    mac.update(password.as_bytes());
    STANDARD.encode(mac.finalize().into_bytes())
}

/// `v=2,t=2b,r=12$<salt>$<checksum>` as salt and bcrypt hash.
fn long_to_bcrypt(rest: &str) -> Option<(String, String)> {
    let mut parts = rest.split('$');
    let rounds: u32 = parameter(parts.next()?, "r")?;
    let (salt, checksum) = (parts.next()?, parts.next()?);
    Some((salt.to_owned(), format!("$2b${rounds:02}${salt}{checksum}")))
}

/// `ln=16,r=8,p=1`, salt, checksum.
fn scrypt(password: &str, parts: &[&str]) -> Option<bool> {
    let [parameters, salt, checksum] = parts else { return None };
    let log_n: u8 = parameter(parameters, "ln").filter(|log_n| *log_n <= MOST_SCRYPT_LOG_N)?;
    let (r, p) = (parameter(parameters, "r")?, parameter(parameters, "p")?);
    let memory = u64::from(r).checked_mul(1 << log_n)?.checked_mul(128)?;
    if memory > u64::from(MOST_MEMORY_KIB) * 1024 || p > 64 {
        return None;
    }
    let (salt, checksum) = (bytes(salt)?, bytes(checksum)?);
    let mut found = vec![0; checksum.len()];
    let parameters = scrypt::Params::new(log_n, r, p).ok()?;
    scrypt::scrypt(password.as_bytes(), &salt, &parameters, &mut found).ok()?;
    Some(equal(&found, &checksum))
}

/// `25000`, salt, checksum.
fn pbkdf2(password: &str, parts: &[&str]) -> Option<bool> {
    let [rounds, salt, checksum] = parts else { return None };
    let rounds: u32 = rounds.parse().ok().filter(|rounds| (1..=MOST_ROUNDS).contains(rounds))?;
    let (salt, checksum) = (bytes(salt)?, bytes(checksum)?);
    let mut found = vec![0; checksum.len()];
    pbkdf2::pbkdf2_hmac::<Sha512>(password.as_bytes(), &salt, rounds, &mut found);
    Some(equal(&found, &checksum))
}

/// `v=19`, `m=65536,t=3,p=4`, salt, checksum.
fn argon2(password: &str, kind: &str, parts: &[&str]) -> Option<bool> {
    let [version, parameters, salt, checksum] = parts else { return None };
    let algorithm = kind.parse::<argon2::Algorithm>().ok()?;
    let version = argon2::Version::try_from(parameter::<u32>(version, "v")?).ok()?;
    let memory = parameter(parameters, "m").filter(|memory| *memory <= MOST_MEMORY_KIB)?;
    let rounds = parameter(parameters, "t").filter(|rounds| *rounds <= 1000)?;
    let (salt, checksum) = (bytes(salt)?, bytes(checksum)?);
    let parameters =
        argon2::Params::new(memory, rounds, parameter(parameters, "p")?, Some(checksum.len())).ok()?;
    let mut found = vec![0; checksum.len()];
    let argon2 = argon2::Argon2::new(algorithm, version, parameters);
    argon2.hash_password_into(password.as_bytes(), &salt, &mut found).ok()?;
    Some(equal(&found, &checksum))
}

/// The number behind `name=` in a list.
fn parameter<T: std::str::FromStr>(list: &str, name: &str) -> Option<T> {
    list.split(',').find_map(|item| item.strip_prefix(name)?.strip_prefix('=')?.parse().ok())
}

/// Salts and checksums; passlib writes `.` for `+` in some.
fn bytes(text: &str) -> Option<Vec<u8>> {
    UNPADDED.decode(text.replace('.', "+")).ok().filter(|bytes| !bytes.is_empty())
}

/// Takes as long wherever they differ.
fn equal(left: &[u8], right: &[u8]) -> bool {
    left.len() == right.len() && left.iter().zip(right).fold(0, |all, (a, b)| all | (a ^ b)) == 0
}
