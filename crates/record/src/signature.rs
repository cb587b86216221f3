//! Who signed what: Ed25519 over canonical bytes.
//!
//! A browser keeps its key in WebCrypto, from which it does not come out: it asks for [`payload`], signs these bytes itself and
//! gives key and signature to [`seal`]. The command signs with [`Key`]. Other requests of a board (undo, delete) are signed the same
//! way: [`Key::sign`] and [`verify`] take any bytes.

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::canonical::{self, from_hex, hex};
use crate::check::finite;
use crate::envelope::{Envelope, SignedEnvelope};
use crate::refusal::{Pointer, Refusal, RefusalCode};

/// A signature that does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SignatureError {
    /// A key that is none.
    #[error("the public key is no point of the curve, or one that fits any message")]
    Key,
    /// A key that is not written as it must be.
    #[error("the public key is not 64 lowercase hexadecimal digits")]
    PublicKeyHex,
    /// A signature that is not written as it must be.
    #[error("the signature is not 128 lowercase hexadecimal digits")]
    SignatureHex,
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

    /// The signature over some bytes: 128 hexadecimal digits. The bytes must say what they are for, as an envelope's `schema` does: who
    /// signs a request to delete must not have signed anything else with it.
    pub fn sign(&self, bytes: &[u8]) -> String {
        hex(&self.0.sign(bytes).to_bytes())
    }

    /// Signs an envelope, whose `author` must be [`Self::author`]; `Err` as [`payload`].
    pub fn seal(&self, envelope: Envelope) -> Result<SignedEnvelope, Refusal> {
        let signature = self.sign(&payload(&envelope)?);
        Ok(seal(envelope, self.public_key(), signature))
    }
}

/// The bytes of an envelope that are signed; NaN and infinities, which JSON does not have, are named with their place.
pub fn payload(envelope: &Envelope) -> Result<Vec<u8>, Refusal> {
    finite(envelope)?;
    canonical::bytes_in_order(envelope).map_err(|reason| {
        let at = Pointer::default().field("envelope");
        at.refuse(RefusalCode::NotCanonical, reason)
    })
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
    from_hex(public_key).ok_or(SignatureError::PublicKeyHex)
}

/// Whether a signature is the key's over some bytes. Keys of small order and signatures that could be written otherwise are refused.
pub fn verify(public_key: &str, bytes: &[u8], signature: &str) -> Result<(), SignatureError> {
    let key = VerifyingKey::from_bytes(&key_bytes(public_key)?).map_err(|_| SignatureError::Key)?;
    if key.is_weak() {
        return Err(SignatureError::Key);
    }
    let signature = from_hex(signature).ok_or(SignatureError::SignatureHex)?;
    key.verify_strict(bytes, &Signature::from_bytes(&signature))
        .map_err(|_| SignatureError::Signature)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8032, 7.1, tests 1 to 3: secret, public key, message, signature; then the author (SHA-256 by Node 20).
    const VECTORS: [[&str; 5]; 3] = [
        [
            "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
            "",
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
            "21fe31dfa154a261626bf854046fd227",
        ],
        [
            "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
            "72",
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
            "39f713d0a644253f04529421b9f51b9b",
        ],
        [
            "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
            "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
            "af82",
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
            "dac073e0123bdea59dd9b3bda9cf6037",
        ],
    ];

    fn message(hex: &str) -> Vec<u8> {
        let pairs = hex.as_bytes().chunks_exact(2);
        pairs
            .map(|pair| from_hex::<1>(std::str::from_utf8(pair).unwrap()).unwrap()[0])
            .collect()
    }

    #[test]
    fn keys_and_signatures_are_those_of_the_rfc() {
        for [secret, public_key, text, signature, author] in VECTORS {
            let key = Key::from_secret(&from_hex(secret).unwrap());
            assert_eq!(key.public_key(), public_key);
            assert_eq!(key.author(), author);
            assert_eq!(author_id(public_key).as_deref(), Ok(author));
            assert_eq!(key.sign(&message(text)), signature);
            assert_eq!(verify(public_key, &message(text), signature), Ok(()));
        }
    }

    #[test]
    fn another_message_key_or_signature_is_refused() {
        let [_, public_key, text, signature, _] = VECTORS[1];
        let text = message(text);
        let wrong = Err(SignatureError::Signature);
        assert_eq!(verify(public_key, b"s", signature), wrong);
        assert_eq!(verify(VECTORS[0][1], &text, signature), wrong);
        assert_eq!(verify(public_key, &text, VECTORS[0][3]), wrong);
    }

    #[test]
    fn a_signature_that_can_be_written_otherwise_is_refused() {
        // The same signature with the order of the group added to its second half.
        let [_, public_key, text, signature, _] = VECTORS[1];
        let order = "edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010";
        let mut bytes: [u8; 64] = from_hex(signature).unwrap();
        let mut carry = 0;
        for (byte, other) in bytes[32..].iter_mut().zip(from_hex::<32>(order).unwrap()) {
            let sum = u16::from(*byte) + u16::from(other) + carry;
            (*byte, carry) = (sum as u8, sum >> 8);
        }
        let other = hex(&bytes);
        assert_ne!(other, signature);
        assert_eq!(
            verify(public_key, &message(text), &other),
            Err(SignatureError::Signature)
        );
    }

    #[test]
    fn keys_of_small_order_are_refused() {
        // The neutral element and a point of order 8.
        for key in [
            "0100000000000000000000000000000000000000000000000000000000000000",
            "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
        ] {
            assert_eq!(verify(key, b"", VECTORS[0][3]), Err(SignatureError::Key));
        }
    }
}
