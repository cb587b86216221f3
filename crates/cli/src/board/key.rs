//! The key that signs what this person posts: Ed25519, in a file of the user's configuration folder that nobody else may read.
//! Whoever loses it loses the right to delete what it signed.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};
use etcetera::BaseStrategy;
use jeoul_record::canonical::{from_hex, hex};
use jeoul_record::signature::Key;

use crate::failure::Failure;
use crate::output::print;

/// Arguments of `board key`.
#[derive(clap::Args)]
pub(crate) struct Show {}

impl Show {
    /// Runs the verb. It makes no key: who only looks leaves nothing behind.
    pub(crate) fn run(&self) -> Result<(), Failure> {
        let key = existing()?;
        print(&format!(
            "public key: {}\nauthor: {}",
            key.public_key(),
            key.author()
        ))?;
        eprintln!("kept in {}", path()?.display());
        Ok(())
    }
}

/// The key; made when it is first needed.
pub(super) fn key() -> Result<Key, Failure> {
    let path = path()?;
    if let Some(key) = read(&path)? {
        return Ok(key);
    }
    let mut secret = [0; 32];
    getrandom::fill(&mut secret).context("the system gives no random bytes")?;
    let made = private(&path, true).and_then(|mut file| file.write_all(hex(&secret).as_bytes()));
    match made {
        Ok(()) => eprintln!("made a key in {}", path.display()),
        // Another command was faster: its key holds.
        Err(error) if error.kind() == ErrorKind::AlreadyExists => return existing(),
        Err(error) => {
            let error = anyhow::Error::from(error);
            return Err(error
                .context(format!("cannot write `{}`", path.display()))
                .into());
        }
    }
    Ok(Key::from_secret(&secret))
}

/// The key that signed before.
pub(super) fn existing() -> Result<Key, Failure> {
    read(&path()?)?.ok_or_else(|| {
        Failure::from(anyhow!("there is no key yet")).hint("`jeoul board post` makes it")
    })
}

fn path() -> anyhow::Result<PathBuf> {
    Ok(folder()?.join("board.key"))
}

/// The folder that `JEOUL_CONFIG` names, else `jeoul` in the system's folder of settings.
pub(super) fn folder() -> anyhow::Result<PathBuf> {
    if let Some(folder) = std::env::var_os("JEOUL_CONFIG") {
        return Ok(folder.into());
    }
    let system = etcetera::choose_base_strategy()
        .context("there is no folder for settings; `JEOUL_CONFIG` can name one")?;
    Ok(system.config_dir().join("jeoul"))
}

fn read(path: &Path) -> anyhow::Result<Option<Key>> {
    let name = path.display();
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(|| format!("cannot read `{name}`")),
    };
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        if fs::metadata(path)?.permissions().mode() & 0o077 != 0 {
            bail!("others can read the key in `{name}`: `chmod 600` it");
        }
    }
    let Some(secret) = from_hex(text.trim_end()) else {
        bail!("`{name}` holds no key: 64 hexadecimal digits");
    };
    Ok(Some(Key::from_secret(&secret)))
}

/// A file that nobody else may read, in a folder that is made if it is not there; `is_new` if none may be there before.
pub(super) fn private(path: &Path, is_new: bool) -> std::io::Result<File> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut options = OpenOptions::new();
    options
        .write(true)
        .create(true)
        .create_new(is_new)
        .truncate(!is_new);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}
