//! Notices that a file was saved.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Time between two looks.
const INTERVAL: Duration = Duration::from_millis(500);

/// Compares contents rather than times: editors replace files, and some save twice.
#[derive(Debug)]
pub(super) struct Watch {
    path: PathBuf,
    last: Option<Vec<u8>>,
    next_look: Instant,
}

// === impl Watch ===

impl Watch {
    /// Starts from the present content.
    pub(super) fn new(path: &Path) -> Watch {
        Watch {
            path: path.to_owned(),
            last: fs::read(path).ok(),
            next_look: Instant::now() + INTERVAL,
        }
    }

    /// Whether the content is another one than at the last look. Looks at most every [`INTERVAL`]; a file that is gone
    /// for a moment, as while an editor replaces it, is no change.
    pub(super) fn changed(&mut self) -> bool {
        if Instant::now() < self.next_look {
            return false;
        }
        self.next_look = Instant::now() + INTERVAL;
        self.look()
    }

    fn look(&mut self) -> bool {
        match fs::read(&self.path) {
            Ok(content) if !content.is_empty() && self.last.as_ref() != Some(&content) => {
                self.last = Some(content);
                true
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_other_content_is_a_change() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("pod.yaml");
        fs::write(&file, "one").unwrap();
        let mut watch = Watch::new(&file);
        assert!(!watch.look());
        fs::write(&file, "one").unwrap();
        assert!(!watch.look(), "saved without a change");
        fs::remove_file(&file).unwrap();
        assert!(!watch.look(), "gone");
        fs::write(&file, "").unwrap();
        assert!(!watch.look(), "being written");
        fs::write(&file, "two").unwrap();
        assert!(watch.look());
        assert!(!watch.look());
    }
}
