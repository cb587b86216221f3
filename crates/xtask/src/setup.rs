//! `cargo xtask setup`: finds or installs what building and testing need.

use anyhow::bail;

use crate::needs::Need;
use crate::place::Place;
use crate::process::step;

/// Arguments of `setup`.
#[derive(clap::Args)]
pub(crate) struct Setup {
    /// Only say what is missing; exit with 1 if something is.
    #[arg(long)]
    check: bool,
    /// Only what building and serving need, nothing for tests.
    #[arg(long)]
    no_tests: bool,
}

impl Setup {
    /// Runs the verb.
    pub(crate) fn run(&self, place: &Place) -> anyhow::Result<()> {
        let tests = if self.no_tests { &[] } else { Need::TEST };
        let needs = [Need::BUILD, Need::THREADS, tests].concat();
        if self.check {
            check(place, &needs)
        } else {
            ensure(place, &needs)
        }
    }
}

/// Installs what of `needs` is missing, in their order, and says what is there.
pub(crate) fn ensure(place: &Place, needs: &[Need]) -> anyhow::Result<()> {
    for need in needs {
        let found = match need.find(place)? {
            Some(found) => found,
            None => {
                step(&format!("installing {}", need.name()), || {
                    need.install(place)
                })?;
                match need.find(place)? {
                    Some(found) => found,
                    None => bail!("{} was installed but is not to be found", need.name()),
                }
            }
        };
        eprintln!("✓ {:<32}{found}", need.name());
    }
    Ok(())
}

fn check(place: &Place, needs: &[Need]) -> anyhow::Result<()> {
    let mut missing = Vec::new();
    for need in needs {
        match need.find(place)? {
            Some(found) => eprintln!("✓ {:<32}{found}", need.name()),
            None => {
                eprintln!("✗ {:<32}missing", need.name());
                missing.push(need.name());
            }
        }
    }
    if !missing.is_empty() {
        bail!(
            "missing: {}\n\nhint: `cargo xtask setup` installs what it can",
            missing.join(", ")
        );
    }
    Ok(())
}
