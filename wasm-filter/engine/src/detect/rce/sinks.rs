//! Names by which code of other languages executes code, commands and files.
//!
//! Lower case, for PHP, Python, Ruby, Perl, JavaScript, Java and its expression languages, and ASP.

/// How a name counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sink {
    /// A function: counts when it is called.
    Call(i32),
    /// A name that counts wherever it stands.
    Marker(i32),
}

use Sink::{Call, Marker};

/// Sorted by name; at most 128, so that a bit set can say which were seen.
static SINKS: &[(&str, Sink)] = &[
    ("__base__", Marker(35)),
    ("__bases__", Marker(50)),
    ("__builtins__", Marker(60)),
    ("__class__", Marker(35)),
    ("__getattribute__", Marker(50)),
    ("__getitem__", Marker(35)),
    ("__globals__", Marker(60)),
    ("__import__", Call(70)),
    ("__init__", Marker(15)),
    ("__mro__", Marker(60)),
    ("__subclasses__", Marker(70)),
    ("_cookie", Marker(20)),
    ("_files", Marker(20)),
    ("_get", Marker(20)),
    ("_memberaccess", Marker(100)),
    ("_post", Marker(20)),
    ("_request", Marker(20)),
    ("_templatereference__context", Marker(100)),
    ("allow_url_include", Marker(70)),
    ("allowstaticmethodaccess", Marker(100)),
    ("assert", Call(40)),
    ("auto_append_file", Marker(90)),
    ("auto_prepend_file", Marker(90)),
    ("base64_decode", Call(30)),
    ("binding", Call(30)),
    ("call_user_func", Call(60)),
    ("call_user_func_array", Call(60)),
    ("chainedtransformer", Marker(100)),
    ("check_output", Call(60)),
    ("child_process", Marker(50)),
    ("chr", Call(10)),
    ("class_eval", Call(40)),
    ("classloader", Marker(25)),
    ("constructor", Call(40)),
    ("create_function", Call(70)),
    ("createobject", Call(50)),
    ("defineclass", Call(50)),
    ("die", Call(20)),
    ("downloadfile", Call(60)),
    ("downloadstring", Call(60)),
    ("eval", Call(40)),
    ("exec", Call(40)),
    ("exec_command", Call(50)),
    ("execfile", Call(50)),
    ("execfilesync", Call(70)),
    ("execsync", Call(70)),
    ("execve", Call(40)),
    ("exit", Call(20)),
    ("file_get_contents", Call(50)),
    ("file_put_contents", Call(50)),
    ("fopen", Call(20)),
    ("forname", Call(40)),
    ("freemarker", Marker(60)),
    ("frombase64string", Call(50)),
    ("fsockopen", Call(50)),
    ("getclass", Call(40)),
    ("getdeclaredconstructors", Call(50)),
    ("getdeclaredmethod", Call(50)),
    ("getdeclaredmethods", Call(50)),
    ("getenv", Call(30)),
    ("getmethod", Call(40)),
    ("getruntime", Call(60)),
    ("gzinflate", Call(40)),
    ("gzuncompress", Call(40)),
    ("highlight_file", Call(70)),
    ("iex", Marker(25)),
    ("include", Call(20)),
    ("include_once", Call(30)),
    ("ini_set", Call(30)),
    ("instance_eval", Call(40)),
    ("instantiatetransformer", Marker(100)),
    ("invoke", Call(20)),
    ("invokeexpression", Call(60)),
    ("invokefunction", Marker(100)),
    ("invokertransformer", Marker(100)),
    ("jdbcrowsetimpl", Marker(120)),
    ("mainmodule", Marker(60)),
    ("md5", Call(30)),
    ("module_eval", Call(40)),
    ("move_uploaded_file", Call(40)),
    ("nashorn", Marker(25)),
    ("newinstance", Call(30)),
    ("ognlcontext", Marker(100)),
    ("ognlutil", Marker(100)),
    ("passthru", Call(70)),
    ("pcntl_exec", Call(70)),
    ("php_uname", Call(50)),
    ("phpinfo", Call(70)),
    ("phpversion", Call(50)),
    ("popen", Call(70)),
    ("preg_replace", Call(20)),
    ("print", Call(20)),
    ("print_r", Call(30)),
    ("printf", Call(10)),
    ("proc_open", Call(70)),
    ("processbuilder", Marker(90)),
    ("processimpl", Marker(50)),
    ("putenv", Call(30)),
    ("readfile", Call(50)),
    ("readfilesync", Call(60)),
    ("require", Call(20)),
    ("require_once", Call(30)),
    ("scandir", Call(30)),
    ("scriptenginemanager", Marker(70)),
    ("shell_exec", Call(70)),
    ("shellexecute", Call(50)),
    ("show_source", Call(70)),
    ("spawn", Call(30)),
    ("spawn_sync", Marker(70)),
    ("spawnsync", Call(70)),
    ("str_rot13", Call(40)),
    ("subprocess", Marker(20)),
    ("system", Call(40)),
    ("templatesimpl", Marker(70)),
    ("unlink", Call(20)),
    ("unserialize", Call(30)),
    ("usleep", Call(20)),
    ("var_dump", Call(30)),
    ("webclient", Marker(40)),
    ("writefilesync", Call(60)),
    ("wscript", Marker(50)),
];

/// Most entries of the table.
#[cfg(test)]
const MAX_SINKS: usize = 128;

/// Longest name of the table, in bytes.
pub(super) const MAX_NAME_BYTES: usize = 32;

/// Looks a name up, without case. The entry's number and how it counts.
pub(super) fn find(name: &[u8]) -> Option<(usize, Sink)> {
    if name.len() > MAX_NAME_BYTES {
        return None;
    }
    let order = |known: &str| known.bytes().cmp(name.iter().map(u8::to_ascii_lowercase));
    let at = SINKS.binary_search_by(|(known, _)| order(known)).ok()?;
    SINKS.get(at).map(|(_, sink)| (at, *sink))
}

/// Every name, for tests of the prefilter.
#[cfg(test)]
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    SINKS.iter().map(|(name, _)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_is_sorted_and_fits() {
        assert!(SINKS.is_sorted_by_key(|(name, _)| *name));
        assert!(SINKS.len() <= MAX_SINKS);
        assert!(SINKS.iter().all(|(name, _)| name.len() <= MAX_NAME_BYTES));
    }

    #[test]
    fn case_does_not_matter() {
        assert!(find(b"SyStEm").is_some());
        assert!(find(b"systems").is_none());
    }
}
