//! The folder that holds the service's files: checked and locked before anything is opened.

use std::{
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
};

/// A data folder in use by this process. The lock ends with the value, or with the process however it ends.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    _lock: File,
}

/// Why a data folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    /// It does not exist and cannot be made.
    #[error("cannot create data folder {path}: mount a volume there or choose another one with --data")]
    Create {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It cannot be written.
    #[error("data folder {path} is not writable by this user: change its owner (fsGroup in Kubernetes) or --data")]
    NotWritable {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another process uses it.
    #[error("data folder {path} is in use by another process: stop it, or choose another folder with --data")]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// It is on a network file system.
    #[error(
        "data folder {path} is on a network file system ({kind}), where SQLite's locks and syncs cannot be relied on: \
         use a block volume or a local disk"
    )]
    Network {
        /// The folder.
        path: PathBuf,
        /// The kind of file system.
        kind: &'static str,
    },
}

// === impl DataDir ===

impl DataDir {
    /// Creates the folder where it is missing, checks that it can be used, and locks it.
    pub fn open(path: &Path) -> Result<DataDir, DataDirError> {
        let path = path.to_owned();
        if let Err(source) = fs::create_dir_all(&path) {
            return Err(DataDirError::Create { path, source });
        }
        if let Some(kind) = rustix::fs::statfs(&path)
            .ok()
            .and_then(|stat| network_kind(stat.f_type as u32))
        {
            return Err(DataDirError::Network { path, kind });
        }
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path.join("lock"));
        let lock = match lock {
            Ok(lock) => lock,
            Err(source) => return Err(DataDirError::NotWritable { path, source }),
        };
        match lock.try_lock() {
            Ok(()) => Ok(DataDir { path, _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(DataDirError::InUse { path }),
            Err(TryLockError::Error(source)) => Err(DataDirError::NotWritable { path, source }),
        }
    }

    /// A file in the folder.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
}

/// The network file system with this number, if it is one.
///
/// Source: statfs(2), "f_type"; linux/magic.h.
fn network_kind(number: u32) -> Option<&'static str> {
    let kind = match number {
        0x0000_6969 => "NFS",
        0xff53_4d42 | 0xfe53_4d42 | 0x0000_517b => "SMB",
        0x00c3_6400 => "Ceph",
        0x0102_1997 => "9P",
        0x5346_414f => "AFS",
        0x0bd0_0bd0 => "Lustre",
        0x4750_4653 => "GPFS",
        0x0116_1970 => "GFS2",
        _ => return None,
    };
    Some(kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_one_user() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/data");
        let first = DataDir::open(&path).unwrap();
        let second = DataDir::open(&path).unwrap_err();
        assert!(second.to_string().contains("in use by another process"), "{second}");
        drop(first);
        DataDir::open(&path).unwrap();
    }

    #[test]
    fn a_folder_that_cannot_be_made_or_written() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        let error = DataDir::open(&file.join("data")).unwrap_err();
        assert!(error.to_string().starts_with("cannot create data folder"), "{error}");
        // A folder in the place of the lock file fails for every user, root included.
        fs::create_dir(folder.path().join("lock")).unwrap();
        let error = DataDir::open(folder.path()).unwrap_err();
        assert!(error.to_string().contains("not writable"), "{error}");
    }

    #[test]
    fn network_file_systems_are_known() {
        assert_eq!(network_kind(0x6969), Some("NFS"));
        // ext4 and tmpfs.
        assert_eq!(network_kind(0xef53), None);
        assert_eq!(network_kind(0x0102_1994), None);
    }
}
