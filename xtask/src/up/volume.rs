//! Volumes as a kubelet lays them out.
//!
//! Files that follow the pod (downward API, Secrets, ConfigMaps) are never written in place. A kubelet writes all of them
//! into a new folder and swaps one symbolic link, so that a reader sees either the old files or the new ones:
//!
//! ```text
//! filter.json -> ..data/filter.json
//! ..data -> ..2026_11_23_22_00_00.000000001
//! ..2026_11_23_22_00_00.000000001/filter.json
//! ```
//!
//! Source: Kubernetes, `pkg/volume/util/atomic_writer.go`.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::symlink;
use std::path::{Component, Path};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};

/// The link that is swapped.
const DATA: &str = "..data";

/// The new link, for a moment.
const NEW_DATA: &str = "..data_tmp";

/// Shows exactly these files in a folder, and says whether anything changed.
pub(super) fn project(folder: &Path, files: &BTreeMap<String, String>) -> Result<bool> {
    for path in files.keys() {
        check_path(path)?;
    }
    fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    let old = current(folder)?;
    if old.is_some() && shown(folder)? == *files {
        return Ok(false);
    }
    let new = write_new(folder, files)?;
    let link = folder.join(NEW_DATA);
    remove_if_there(&link)?;
    symlink(&new, &link)?;
    // Renaming onto the old link is the one step that readers notice.
    fs::rename(&link, folder.join(DATA))?;
    for path in files.keys() {
        show(folder, path)?;
    }
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let is_shown = files.keys().any(|path| first(path) == name);
        if !name.starts_with("..") && !is_shown {
            remove_if_there(&entry.path())?;
        }
    }
    if let Some(old) = old {
        fs::remove_dir_all(folder.join(old))?;
    }
    Ok(true)
}

/// Only names below the folder, and none that the layout itself needs.
fn check_path(path: &str) -> Result<()> {
    let is_plain = !path.is_empty()
        && !path.starts_with("..")
        && Path::new(path)
            .components()
            .all(|component| matches!(component, Component::Normal(_)));
    ensure!(is_plain, "{path:?} is no path that a volume can show");
    Ok(())
}

/// The first part of a path: what is linked in the folder itself.
fn first(path: &str) -> &str {
    path.split('/').next().unwrap_or_default()
}

/// The folder that `..data` leads to.
fn current(folder: &Path) -> Result<Option<String>> {
    match fs::read_link(folder.join(DATA)) {
        Ok(target) => Ok(Some(target.to_string_lossy().into_owned())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn shown(folder: &Path) -> Result<BTreeMap<String, String>> {
    let mut files = BTreeMap::new();
    let root = folder.join(DATA);
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(&root)?.to_string_lossy().into_owned();
                files.insert(name, fs::read_to_string(&path)?);
            }
        }
    }
    Ok(files)
}

fn write_new(folder: &Path, files: &BTreeMap<String, String>) -> Result<String> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let name = format!("..{}.{:09}", now.as_secs(), now.subsec_nanos());
    let new = folder.join(&name);
    fs::create_dir(&new)?;
    for (path, text) in files {
        let file = new.join(path);
        if let Some(parent) = file.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(&file, text).with_context(|| format!("writing {}", file.display()))?;
    }
    Ok(name)
}

fn show(folder: &Path, path: &str) -> Result<()> {
    let link = folder.join(first(path));
    if fs::symlink_metadata(&link).is_err() {
        symlink(Path::new(DATA).join(first(path)), link)?;
    }
    Ok(())
}

fn remove_if_there(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("removing {}", path.display()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread;

    use super::*;

    fn files<const N: usize>(files: [(&str, &str); N]) -> BTreeMap<String, String> {
        files.map(|(path, text)| (path.to_owned(), text.to_owned())).into()
    }

    fn names(folder: &Path) -> Vec<String> {
        let mut names = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect::<Vec<_>>();
        names.sort();
        names
    }

    #[test]
    fn layout_is_a_kubelets() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        assert!(project(folder, &files([("a.json", "1"), ("sub/b", "2")])).unwrap());
        assert_eq!(fs::read_to_string(folder.join("a.json")).unwrap(), "1");
        assert_eq!(fs::read_to_string(folder.join("sub/b")).unwrap(), "2");
        assert_eq!(
            fs::read_link(folder.join("a.json")).unwrap(),
            Path::new("..data/a.json")
        );
        assert_eq!(fs::read_link(folder.join("sub")).unwrap(), Path::new("..data/sub"));
        assert_eq!(names(folder).len(), 4, "two links, ..data and its folder");
    }

    #[test]
    fn the_same_files_are_not_written_again() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        assert!(project(folder, &files([("a", "1")])).unwrap());
        let before = names(folder);
        assert!(!project(folder, &files([("a", "1")])).unwrap());
        assert_eq!(names(folder), before);
    }

    #[test]
    fn old_files_go() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        project(folder, &files([("a", "1"), ("b", "1")])).unwrap();
        assert!(project(folder, &files([("b", "2")])).unwrap());
        assert!(!folder.join("a").exists());
        assert_eq!(fs::read_to_string(folder.join("b")).unwrap(), "2");
        assert_eq!(names(folder).len(), 3, "one link, ..data and its folder");
    }

    #[test]
    fn paths_stay_inside() {
        let folder = tempfile::tempdir().unwrap();
        for path in ["", "/etc/passwd", "../x", "a/../../x", "..data", "..data/x"] {
            assert!(project(folder.path(), &files([(path, "1")])).is_err(), "{path}");
        }
    }

    #[test]
    fn readers_see_old_or_new_never_a_mixture() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let version = |n: u32| files([("a", &*n.to_string()), ("b", &*n.to_string())]);
        project(folder, &version(0)).unwrap();
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            let reader = scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    // A reader that holds one folder open sees one version of every file in it, or none once it is gone.
                    let data = folder.join(fs::read_link(folder.join(DATA)).unwrap());
                    if let (Ok(a), Ok(b)) = (fs::read_to_string(data.join("a")), fs::read_to_string(data.join("b"))) {
                        assert_eq!(a, b);
                    }
                    // The link itself is never missing.
                    assert!(fs::symlink_metadata(folder.join(DATA)).is_ok());
                }
            });
            for n in 1..200 {
                assert!(project(folder, &version(n)).unwrap());
            }
            done.store(true, Ordering::Relaxed);
            reader.join().unwrap();
        });
        assert_eq!(fs::read_to_string(folder.join("a")).unwrap(), "199");
    }
}
