//! The Fernet envelope: version, time, IV, AES-128-CBC, HMAC-SHA256
//! (<https://github.com/fernet/spec>), without the padding of base64, as Keystone
//! writes it.

use aes::Aes128;
use aes::cipher::block_padding::Pkcs7;
use aes::cipher::{BlockModeDecrypt, BlockModeEncrypt, KeyIvInit};
use base64::Engine as _;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

const VERSION: u8 = 0x80;
/// Version, time and IV before the cipher text.
const HEAD: usize = 1 + 8 + 16;
const MAC: usize = 32;
const BLOCK: usize = 16;

/// URL-safe base64, written without padding, read with or without.
pub const BASE64: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A key: half of it signs, half encrypts.
#[derive(Clone)]
pub struct Key {
    signing: Zeroizing<[u8; 16]>,
    encryption: Zeroizing<[u8; 16]>,
}

/// What was in an envelope.
#[derive(Debug, PartialEq, Eq)]
pub struct Opened {
    /// When it was made, in seconds since 1970.
    pub time: u64,
    pub content: Vec<u8>,
}

impl Key {
    /// Reads the text form: 44 characters for 32 bytes.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = Zeroizing::new(BASE64.decode(text.trim()).ok()?);
        let (signing, encryption) = bytes.split_first_chunk::<16>()?;
        Some(Self {
            signing: Zeroizing::new(*signing),
            encryption: Zeroizing::new(encryption.try_into().ok()?),
        })
    }

    /// A new key in its text form.
    pub fn generate() -> Zeroizing<String> {
        let bytes: Zeroizing<[u8; 32]> = Zeroizing::new(rand::random());
        let mut text = Zeroizing::new(BASE64.encode(*bytes));
        text.push('=');
        text
    }

    /// Seals `content` under this time.
    pub fn seal(&self, time: u64, content: &[u8]) -> String {
        self.seal_with(time, rand::random(), content)
    }

    fn seal_with(&self, time: u64, iv: [u8; 16], content: &[u8]) -> String {
        let cipher = cbc::Encryptor::<Aes128>::new(&(*self.encryption).into(), &iv.into());
        let mut envelope = Vec::with_capacity(HEAD + content.len() + BLOCK + MAC);
        envelope.push(VERSION);
        envelope.extend_from_slice(&time.to_be_bytes());
        envelope.extend_from_slice(&iv);
        envelope.extend_from_slice(&cipher.encrypt_padded_vec::<Pkcs7>(content));
        let mac = self.mac(&envelope).finalize().into_bytes();
        envelope.extend_from_slice(&mac);
        BASE64.encode(envelope)
    }

    /// Opens decoded bytes; `None` when this key did not seal them.
    fn open(&self, envelope: &[u8]) -> Option<Opened> {
        let (signed, mac) = envelope.split_at_checked(envelope.len().checked_sub(MAC)?)?;
        let (head, cipher_text) = signed.split_at_checked(HEAD)?;
        if head[0] != VERSION {
            return None;
        }
        self.mac(signed).verify_slice(mac).ok()?;
        let time = u64::from_be_bytes(*head[1..].first_chunk()?);
        let iv: [u8; 16] = *head[9..].first_chunk()?;
        let cipher = cbc::Decryptor::<Aes128>::new(&(*self.encryption).into(), &iv.into());
        let content = cipher.decrypt_padded_vec::<Pkcs7>(cipher_text).ok()?;
        Some(Opened { time, content })
    }

    fn mac(&self, signed: &[u8]) -> Hmac<Sha256> {
        let mut mac = <Hmac<Sha256> as KeyInit>::new(&key_block(&self.signing));
        mac.update(signed);
        mac
    }
}

/// A key shorter than the block of SHA-256 is filled up with zeros.
fn key_block(key: &[u8; 16]) -> hmac::digest::Key<Hmac<Sha256>> {
    let mut block = hmac::digest::Key::<Hmac<Sha256>>::default();
    block[..16].copy_from_slice(key);
    block
}

/// Opens a token with whichever key sealed it.
pub fn open(keys: &[Key], token: &str) -> Option<Opened> {
    let envelope = BASE64.decode(token).ok()?;
    keys.iter().find_map(|key| key.open(&envelope))
}

/// Whether a text has the outer form of a token, whoever sealed it.
pub fn is_sealed(token: &str) -> bool {
    let envelope = BASE64.decode(token).unwrap_or_default();
    envelope.first() == Some(&VERSION)
        && envelope.len() >= HEAD + BLOCK + MAC
        && (envelope.len() - HEAD - MAC).is_multiple_of(BLOCK)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=";
    /// generate.json and verify.json of the specification.
    const TOKEN: &str = "gAAAAAAdwJ6wAAECAwQFBgcICQoLDA0ODy021cpGVWKZ_eEwCGM4BLLF_5CV9dOPmrhuVUPgJobwOz7JcbmrR64jVmpU4IwqDA==";

    fn key() -> Key {
        Key::parse(SECRET).expect("a key")
    }

    fn iv() -> [u8; 16] {
        std::array::from_fn(|index| u8::try_from(index).expect("small"))
    }

    #[test]
    fn the_published_vectors_hold() {
        assert_eq!(key().seal_with(499_162_800, iv(), b"hello"), TOKEN.trim_end_matches('='));
        let opened = open(&[key()], TOKEN).expect("the published token");
        assert_eq!(opened, Opened { time: 499_162_800, content: b"hello".to_vec() });
    }

    #[test]
    fn the_published_invalid_tokens_are_refused() {
        // invalid.json of the specification: mac, too short, base64, payload size, padding.
        let cases = [
            "gAAAAAAdwJ6xAAECAwQFBgcICQoLDA0OD3HkMATM5lFqGaerZ-fWPAl1-szkFVzXTuGb4hR8AKtwcaX1YdykQUFBQUFBQUFBQQ==",
            "gAAAAAAdwJ6xAAECAwQFBgcICQoLDA0OD3HkMATM5lFqGaerZ-fWPA==",
            "%%%%%%%%%%%%%AECAwQFBgcICQoLDA0OD3HkMATM5lFqGaerZ-fWPAl1-szkFVzXTuGb4hR8AKtwcaX1YdykRtfsH-p1YsUD2Q==",
            "gAAAAAAdwJ6xAAECAwQFBgcICQoLDA0OD3HkMATM5lFqGaerZ-fWPOm73QeoCk9uGib28Xe5vz6oxq5nmxbx_v7mrfyudzUm",
            "gAAAAAAdwJ6xAAECAwQFBgcICQoLDA0ODz4LEpdELGQAad7aNEHbf-JkLPIpuiYRLQ3RtXatOYREu2FWke6CnJNYIbkuKNqOhw==",
        ];
        for token in cases {
            assert_eq!(open(&[key()], token), None, "{token}");
        }
    }

    #[test]
    fn every_changed_byte_is_noticed() {
        let sealed = key().seal(7, b"content of a token");
        let bytes = BASE64.decode(&sealed).expect("base64");
        for index in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[index] ^= 1;
            assert_eq!(open(&[key()], &BASE64.encode(changed)), None, "byte {index}");
        }
        for length in 0..bytes.len() {
            assert_eq!(open(&[key()], &BASE64.encode(&bytes[..length])), None, "length {length}");
        }
    }

    #[test]
    fn any_of_several_keys_opens_and_others_do_not() {
        let other = Key::parse(&Key::generate()).expect("a key");
        let sealed = key().seal(7, b"x");
        assert!(open(&[other.clone(), key()], &sealed).is_some());
        assert_eq!(open(&[other], &sealed), None);
        assert!(Key::parse("short").is_none());
        assert!(Key::parse(&SECRET.repeat(2)).is_none());
    }
}
