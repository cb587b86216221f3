//! `jeoul board delete` and `restore`: a run that one's own key posted goes, and within ten minutes comes back.

use jeoul_record::canonical::from_hex;

use super::client::{Address, Client, With};
use super::key;
use crate::failure::Failure;

/// Arguments of `board delete` and `board restore`.
#[derive(clap::Args)]
pub(crate) struct Run {
    /// Id of the run: the 64 digits at the end of its permalink.
    #[arg(value_name = "ID", value_parser = id)]
    id: String,
    /// Address of the board.
    #[arg(long, value_name = "URL", value_parser = Address::parse)]
    to: Address,
}

/// Nothing else gets into a path.
fn id(text: &str) -> Result<String, String> {
    match from_hex::<32>(text) {
        Some(_) => Ok(text.into()),
        None => Err("an id has 64 hexadecimal digits".into()),
    }
}

impl Run {
    /// Deletes it.
    pub(crate) fn delete(&self) -> Result<(), Failure> {
        self.ask("DELETE", "")?;
        eprintln!("deleted; `jeoul board restore` brings it back within ten minutes");
        Ok(())
    }

    /// Restores it.
    pub(crate) fn restore(&self) -> Result<(), Failure> {
        self.ask("POST", "/restore")?;
        eprintln!("restored");
        Ok(())
    }

    fn ask(&self, method: &str, act: &str) -> Result<(), Failure> {
        let key = key::existing()?;
        let with = With {
            key: Some(&key),
            ..With::default()
        };
        let path = format!("/api/submissions/{}{act}", self.id);
        Client::new(&self.to).send(method, &path, &with)?;
        Ok(())
    }
}
