//! `cargo xtask build`: the engine modules and the page.
//!
//! Three engine modules leave this verb. The CPU module holds no GPU crates, builds optimised in a minute or two and is
//! all a first score needs. The module with threads is the same with shared memory, which not every page may have; its standard
//! library is built along. The GPU module holds both lanes; its dependencies take 5 minutes unoptimised and more than
//! 15 optimised. The page offers the GPU lane once `/engine/gpu/` is there.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;

use crate::needs::Need;
use crate::place::Place;
use crate::process::{npm, run, step};
use crate::setup;
use crate::toolchain::{self, WasmRust};

/// Makes wasm modules smaller; an npm package without dependencies, wanted for releases only.
const BINARYEN: &str = "binaryen@132.0.0";

/// Arguments of `build`.
#[derive(clap::Args)]
pub(crate) struct Build {
    /// Build the GPU module too (5 minutes the first time).
    #[arg(long)]
    gpu: bool,
    /// Optimise everything as for users (the GPU module then takes more than 15 minutes the first time).
    #[arg(long)]
    release: bool,
}

impl Build {
    /// Runs the verb.
    pub(crate) fn run(&self, place: &Place) -> anyhow::Result<()> {
        setup::ensure(place, &[Need::BUILD, Need::THREADS].concat())?;
        engine(place, Module::Cpu, self.release)?;
        page(place)?;
        engine(place, Module::CpuThreads, self.release)?;
        if self.gpu {
            engine(place, Module::Gpu, self.release)?;
        }
        Ok(())
    }
}

/// One of the wasm modules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Module {
    /// The CPU lane alone.
    Cpu,
    /// The CPU lane with threads.
    CpuThreads,
    /// Both lanes.
    Gpu,
}

impl Module {
    /// Name of its folder.
    fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::CpuThreads => "cpu-threads",
            Self::Gpu => "gpu",
        }
    }

    /// Cargo profile: the CPU modules are cheap enough to be always optimised.
    fn profile(self, release: bool) -> &'static str {
        match self {
            Self::Gpu if !release => "web-fast",
            _ => "web",
        }
    }
}

/// Builds a module into `www/public/engine/<name>/`.
pub(crate) fn engine(place: &Place, module: Module, release: bool) -> anyhow::Result<()> {
    let (name, profile) = (module.name(), module.profile(release));
    step(
        &format!("engine module `{name}`, profile `{profile}`"),
        || {
            let (mut build, products) = match module {
                Module::CpuThreads => WasmRust::find_sources()
                    .context(
                        "no sources of Rust's standard library; `cargo xtask setup` installs them",
                    )?
                    .cargo_build_threads(place, name),
                _ => wasm_rust()?.cargo_build(place, name),
            };
            build.args(["--package", "jeoul-web", "--profile", profile]);
            if module == Module::Gpu {
                build.args(["--features", "gpu"]);
            }
            run(&mut build)?;
            let fresh = place.engine().join(format!(".{name}-new"));
            remove(&fresh)?;
            let wasm = products.join(profile).join("jeoul_web.wasm");
            bindgen(place, &wasm, &fresh, release)?;
            if release {
                let threads = module == Module::CpuThreads;
                optimise(place, &fresh.join("jeoul_web_bg.wasm"), threads)?;
            }
            replace(&fresh, &place.engine().join(name))
        },
    )
}

/// A wasm module that stands beside the engine's in benchmarks: an example of a crate.
pub(crate) struct Example {
    package: &'static str,
    name: &'static str,
    /// It is compiled as that module is, into its target folder.
    like: Module,
}

/// Products alone.
pub(crate) const PRODUCTS: Example = Example {
    package: "jeoul-kernels",
    name: "products",
    like: Module::Cpu,
};

/// The network out of Burn's own modules.
pub(crate) const STOCK: Example = Example {
    package: "jeoul-model",
    name: "stock",
    like: Module::Gpu,
};

/// Builds such a module; gives its folder. Binaryen leaves it as it is: products alone took twice as long after it, though not
/// those of the engine.
pub(crate) fn example(place: &Place, example: &Example, release: bool) -> anyhow::Result<PathBuf> {
    let Example {
        package,
        name,
        like,
    } = example;
    let profile = like.profile(release);
    step(
        &format!("wasm module `{name}`, profile `{profile}`"),
        || {
            let (mut build, built) = wasm_rust()?.cargo_build(place, like.name());
            build.args(["--package", package, "--example", name]);
            build.args((*like == Module::Gpu).then_some("--features=gpu"));
            run(build.args(["--profile", profile]))?;
            let folder = place.target.join("bench").join(name);
            let wasm = built.join(profile).join(format!("examples/{name}.wasm"));
            bindgen(place, &wasm, &folder, release)?;
            Ok(folder)
        },
    )
}

fn wasm_rust() -> anyhow::Result<WasmRust> {
    WasmRust::find().context("no Rust for wasm; `cargo xtask setup` installs it")
}

/// Removes a built module, so that the page does not offer it.
pub(crate) fn forget(place: &Place, module: Module) -> anyhow::Result<()> {
    remove(&place.engine().join(module.name()))
}

/// Makes the JavaScript side of a module; `release` leaves names out.
fn bindgen(place: &Place, wasm: &Path, folder: &Path, release: bool) -> anyhow::Result<()> {
    let program = toolchain::wasm_bindgen(place)?
        .context("no wasm-bindgen; `cargo xtask setup` installs it")?;
    let mut command = Command::new(program);
    command
        .args(["--target", "web", "--out-dir"])
        .arg(folder)
        .arg(wasm)
        .args(release.then_some("--remove-name-section"));
    run(&mut command)
}

/// Makes a module smaller, not faster: `-O3` takes four times as long as `-O1` for the same speed and a larger download.
fn optimise(place: &Place, file: &Path, threads: bool) -> anyhow::Result<()> {
    let tools = place.tools();
    let optimiser = tools.join("node_modules/.bin").join(if cfg!(windows) {
        "wasm-opt.cmd"
    } else {
        "wasm-opt"
    });
    if !optimiser.is_file() {
        fs::create_dir_all(&tools)?;
        run(npm(&tools).args([
            "install",
            "--prefix",
            ".",
            "--no-save",
            "--no-audit",
            "--no-fund",
            BINARYEN,
        ]))?;
    }
    // No fast-math: the CPU lane's numbers stay the same to the bit.
    run(Command::new(optimiser)
        .arg("-O1")
        .args(FEATURES)
        .args(threads.then_some("--enable-threads"))
        .arg("-o")
        .arg(file)
        .arg(file))?;
    run(Command::new("node").args(["--eval", CHECK]).arg(file))
        .context("the optimised module is not one that V8 takes")
}

/// What the optimiser may use: what rustc uses, and every browser has. With all features it writes modules that none loads.
const FEATURES: [&str; 9] = [
    "--enable-bulk-memory",
    "--enable-bulk-memory-opt",
    "--enable-call-indirect-overlong",
    "--enable-multivalue",
    "--enable-mutable-globals",
    "--enable-nontrapping-float-to-int",
    "--enable-reference-types",
    "--enable-sign-ext",
    "--enable-simd",
];

/// Compiles a module as a browser does.
const CHECK: &str = "new WebAssembly.Module(require('fs').readFileSync(process.argv[1]))";

/// Puts a finished folder in the place of an older one, so that a page never sees half of it.
fn replace(fresh: &Path, folder: &Path) -> anyhow::Result<()> {
    let old = fresh.with_extension("old");
    remove(&old)?;
    if folder.exists() {
        fs::rename(folder, &old)?;
    }
    fs::rename(fresh, folder)?;
    remove(&old)
}

fn remove(folder: &Path) -> anyhow::Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder)
            .with_context(|| format!("{} cannot be removed", folder.display()))?;
    }
    Ok(())
}

/// Builds the page into `www/dist/`.
pub(crate) fn page(place: &Place) -> anyhow::Result<()> {
    step("page", || {
        run(npm(&place.www()).args(["run", "--silent", "build"]))
    })
}
