//! One server per data directory: an advisory lock (`flock(2)`) that the kernel releases when its
//! holder dies, however it dies.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

use super::StoreError;

/// The lock file's name in the data directory.
const FILE: &str = "whydown.lock";

/// Held for as long as this process serves the directory.
#[derive(Debug)]
pub struct Lock {
    _file: Flock<File>,
}

impl Lock {
    /// Takes the directory for this process, making it when it doesn't exist.
    ///
    /// # Errors
    /// `InUse` with the other server's process id; `Io` or `Full` when the lock file can't be
    /// written.
    pub fn take(dir: &Path) -> Result<Self, StoreError> {
        super::open::make_dir(dir)?;
        let path = dir.join(FILE);
        let io = |source| super::open::io("lock", &path, source);
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(io)?;
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(mut file) => {
                write_pid(&mut file).map_err(io)?;
                Ok(Self { _file: file })
            }
            Err((mut file, Errno::EWOULDBLOCK)) => {
                let mut pid = String::new();
                // Whatever stands there is only for the message.
                let _ = file.read_to_string(&mut pid);
                let pid = pid.trim().to_owned();
                let pid = if pid.is_empty() { "unknown".to_owned() } else { pid };
                Err(StoreError::InUse { dir: dir.to_owned(), pid })
            }
            Err((_, errno)) => Err(io(errno.into())),
        }
    }
}

fn write_pid(file: &mut File) -> std::io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())
}
