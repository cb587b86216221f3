//! A PostgreSQL cluster of the tests' own: made in a second, gone when the last test that uses it ends.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, Weak};

static SHARED: Mutex<Weak<Cluster>> = Mutex::new(Weak::new());

pub(crate) struct Cluster {
    programs: PathBuf,
    folder: PathBuf,
}

impl Cluster {
    /// The cluster that tests running now share; `None` where PostgreSQL is not installed.
    pub(crate) fn shared() -> Option<Arc<Self>> {
        let mut shared = SHARED
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(cluster) = shared.upgrade() {
            return Some(cluster);
        }
        let cluster = Arc::new(Self::start(programs()?));
        *shared = Arc::downgrade(&cluster);
        Some(cluster)
    }

    fn start(programs: PathBuf) -> Self {
        let time = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap();
        let name = format!("jeoul-pg-{}-{}", std::process::id(), time.as_micros());
        let cluster = Self {
            programs,
            folder: std::env::temp_dir().join(name),
        };
        std::fs::create_dir(&cluster.folder).unwrap();
        // PostgreSQL refuses to run as root.
        if is_root() {
            let owner = Command::new("chown")
                .arg("postgres")
                .arg(&cluster.folder)
                .status();
            assert!(owner.unwrap().success());
        }
        let data = cluster.folder.join("data");
        cluster.run(
            "initdb",
            &[
                "-D",
                text(&data),
                "-A",
                "trust",
                "-U",
                "postgres",
                "-E",
                "UTF8",
                "--no-sync",
            ],
        );
        let log = cluster.folder.join("log");
        // A socket alone.
        let options = format!(
            "-c listen_addresses= -c unix_socket_directories={}",
            text(&cluster.folder)
        );
        cluster.run(
            "pg_ctl",
            &[
                "-D",
                text(&data),
                "-l",
                text(&log),
                "-o",
                &options,
                "-w",
                "start",
            ],
        );
        cluster
    }

    pub(crate) fn create(&self, database: &str) {
        self.run(
            "createdb",
            &["-h", text(&self.folder), "-U", "postgres", database],
        );
    }

    pub(crate) fn url(&self, database: &str) -> String {
        format!(
            "postgres://postgres@localhost/{database}?host={}",
            text(&self.folder)
        )
    }

    #[track_caller]
    fn run(&self, program: &str, arguments: &[&str]) {
        let path = self.programs.join(program);
        let mut command = if is_root() {
            let mut command = Command::new("runuser");
            command.args(["-u", "postgres", "--"]).arg(&path);
            command
        } else {
            Command::new(&path)
        };
        command
            .args(arguments)
            .current_dir("/")
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let status = command.status().unwrap();
        assert!(status.success(), "{program} {arguments:?}: {status}");
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let data = self.folder.join("data");
        self.run("pg_ctl", &["-D", text(&data), "-m", "immediate", "stop"]);
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Where `initdb` is, newest version first.
fn programs() -> Option<PathBuf> {
    // Debian keeps them off the path, a folder for each version.
    let versions = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten();
    let mut folders: Vec<PathBuf> = versions
        .flatten()
        .map(|entry| entry.path().join("bin"))
        .collect();
    folders.sort();
    let path = std::env::var_os("PATH").unwrap_or_default();
    folders.reverse();
    folders.extend(std::env::split_paths(&path));
    folders
        .into_iter()
        .find(|folder| folder.join("initdb").is_file())
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output().unwrap();
    id.stdout.trim_ascii() == b"0"
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}
