//! Who signed what: Ed25519 over canonical bytes.
//!
//! A browser keeps its key in WebCrypto, from which it does not come out: it asks for [`payload`], signs these bytes itself and
//! gives key and signature to [`seal`]. The command signs with [`Key`]. Other requests of a board (undo, delete) are signed the same
//! way: [`Key::sign`] and [`verify`] take any bytes.

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::canonical::{self, from_hex, hex};
use crate::envelope::{Envelope, SignedEnvelope};

/// A signature that does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SignatureError {
    /// A key that is none.
    #[error("the public key is no point of the curve, or one that fits any message")]
    Key,
    /// A key or signature that is not written as hexadecimal digits.
    #[error("the {what} is not {digits} lowercase hexadecimal digits")]
    Hex {
        /// Which of the two.
        what: &'static str,
        /// Digits that it must have.
        digits: usize,
    },
    /// Another key's, or over other bytes.
    #[error("the signature is not the key's over these bytes")]
    Signature,
}

/// A key that signs.
#[derive(Clone)]
pub struct Key(SigningKey);

impl Key {
    /// A key from 32 random bytes, which are all there is to keep of it.
    pub fn from_secret(secret: &[u8; 32]) -> Self {
        Self(SigningKey::from_bytes(secret))
    }

    /// The public key: 64 hexadecimal digits.
    pub fn public_key(&self) -> String {
        hex(self.0.verifying_key().as_bytes())
    }

    /// Author under which it signs.
    pub fn author(&self) -> String {
        author_of(self.0.verifying_key().as_bytes())
    }

    /// The signature over some bytes: 128 hexadecimal digits.
    pub fn sign(&self, bytes: &[u8]) -> String {
        hex(&self.0.sign(bytes).to_bytes())
    }

    /// Signs an envelope, whose `author` must be [`Self::author`]; `Err` as [`payload`].
    pub fn seal(&self, envelope: Envelope) -> Result<SignedEnvelope, String> {
        let signature = self.sign(&payload(&envelope)?);
        Ok(seal(envelope, self.public_key(), signature))
    }
}

/// The bytes of an envelope that are signed; `Err` holds the reason where it has none, such as NaN.
pub fn payload(envelope: &Envelope) -> Result<Vec<u8>, String> {
    canonical::bytes(envelope)
}

/// An envelope with key and signature of whoever signed its [`payload`].
pub fn seal(envelope: Envelope, public_key: String, signature: String) -> SignedEnvelope {
    SignedEnvelope {
        envelope,
        public_key,
        signature,
    }
}

/// Author of a public key: the first 16 bytes of its SHA-256, 32 hexadecimal digits.
pub fn author_id(public_key: &str) -> Result<String, SignatureError> {
    Ok(author_of(&key_bytes(public_key)?))
}

fn author_of(public_key: &[u8; 32]) -> String {
    hex(&Sha256::digest(public_key)[..16])
}

fn key_bytes(public_key: &str) -> Result<[u8; 32], SignatureError> {
    from_hex(public_key).ok_or(SignatureError::Hex {
        what: "public key",
        digits: 64,
    })
}

/// Whether a signature is the key's over some bytes. Keys of small order and signatures that could be written otherwise are refused.
pub fn verify(public_key: &str, bytes: &[u8], signature: &str) -> Result<(), SignatureError> {
    let key = VerifyingKey::from_bytes(&key_bytes(public_key)?).map_err(|_| SignatureError::Key)?;
    if key.is_weak() {
        return Err(SignatureError::Key);
    }
    let signature = from_hex(signature).ok_or(SignatureError::Hex {
        what: "signature",
        digits: 128,
    })?;
    key.verify_strict(bytes, &Signature::from_bytes(&signature))
        .map_err(|_| SignatureError::Signature)
}
