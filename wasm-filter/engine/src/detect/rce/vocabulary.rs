//! The words of shells: command names and what each is used for.
//!
//! Names are lower case and without folder, extension or version number: `/usr/bin/Python3.11` is `python`.

/// How likely the bare name is something else than a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Hardly a word outside of shells.
    Distinct,
    /// A short name that abbreviations and identifiers share.
    Common,
    /// An English word.
    English,
}

/// What a command does, and so what its arguments look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Habit {
    /// Reports on the system; needs no argument.
    Report,
    /// Reads files.
    Read,
    /// Talks to hosts.
    Network,
    /// Runs other code.
    Interpret,
    /// Changes files, processes or accounts.
    Change,
    /// Waits.
    Delay,
    /// Prints its arguments.
    Print,
    /// Windows' comment command, which discards the rest of a line.
    Remark,
    /// Evaluates a condition.
    Test,
}

use Habit::{Change, Delay, Interpret, Network, Print, Read, Remark, Report, Test};
use Standing::{Common, Distinct, English};

/// Sorted by name.
static COMMANDS: &[(&str, Standing, Habit)] = &[
    ("$0", Distinct, Interpret),
    ("$bash", Distinct, Interpret),
    ("$shell", Distinct, Interpret),
    ("%comspec%", Distinct, Interpret),
    ("[", Common, Test),
    ("[[", Common, Test),
    ("adduser", Distinct, Change),
    ("alias", Common, Report),
    ("apk", Common, Change),
    ("apt", Common, Change),
    ("apt-get", Distinct, Change),
    ("arch", Common, Report),
    ("aria2c", Distinct, Network),
    ("arp", Distinct, Report),
    ("ash", Distinct, Interpret),
    ("at", English, Change),
    ("attrib", Distinct, Change),
    ("awk", Common, Read),
    ("axel", Common, Network),
    ("base32", Common, Read),
    ("base64", Common, Read),
    ("bash", Distinct, Interpret),
    ("bitsadmin", Distinct, Network),
    ("busybox", Distinct, Interpret),
    ("bzcat", Distinct, Read),
    ("cacls", Distinct, Change),
    ("cat", Common, Read),
    ("cc", Common, Interpret),
    ("cd", English, Change),
    ("certutil", Distinct, Network),
    ("chattr", Distinct, Change),
    ("chgrp", Distinct, Change),
    ("chmod", Distinct, Change),
    ("chown", Distinct, Change),
    ("chpasswd", Distinct, Change),
    ("chroot", Common, Change),
    ("cmd", Distinct, Interpret),
    ("cmd.exe", Distinct, Interpret),
    ("copy", English, Change),
    ("cp", Common, Change),
    ("crontab", Distinct, Change),
    ("cscript", Distinct, Interpret),
    ("csh", Distinct, Interpret),
    ("curl", Distinct, Network),
    ("cut", Common, Read),
    ("dash", Common, Interpret),
    ("date", English, Report),
    ("dd", Common, Change),
    ("del", Common, Change),
    ("df", Common, Report),
    ("dig", Common, Network),
    ("dir", Common, Report),
    ("dmesg", Common, Report),
    ("dmidecode", Distinct, Report),
    ("driverquery", Distinct, Report),
    ("du", Common, Report),
    ("echo", English, Print),
    ("ed", Common, Read),
    ("egrep", Distinct, Read),
    ("env", Common, Report),
    ("erase", Common, Change),
    ("export", English, Change),
    ("expr", Common, Test),
    ("fetchmail", Distinct, Network),
    ("fgrep", Distinct, Read),
    ("find", English, Read),
    ("findstr", Distinct, Read),
    ("finger", English, Report),
    ("free", English, Report),
    ("ftp", Common, Network),
    ("gawk", Common, Read),
    ("gcc", Distinct, Interpret),
    ("gdb", Common, Interpret),
    ("getent", Distinct, Report),
    ("getmac", Distinct, Report),
    ("gpresult", Common, Report),
    ("grep", Common, Read),
    ("groupadd", Distinct, Change),
    ("groups", Common, Report),
    ("gunzip", Common, Change),
    ("gzip", Common, Change),
    ("head", Common, Read),
    ("hexdump", Distinct, Read),
    ("history", Common, Report),
    ("host", English, Network),
    ("hostname", Common, Report),
    ("icacls", Distinct, Change),
    ("id", Common, Report),
    ("ifconfig", Distinct, Report),
    ("insmod", Distinct, Change),
    ("installutil", Distinct, Interpret),
    ("ip", Common, Report),
    ("ipconfig", Distinct, Report),
    ("ipmitool", Distinct, Report),
    ("iptables", Distinct, Report),
    ("java", Common, Interpret),
    ("kill", English, Change),
    ("killall", Distinct, Change),
    ("ksh", Distinct, Interpret),
    ("last", English, Report),
    ("less", English, Read),
    ("links2", Distinct, Network),
    ("ln", Common, Read),
    ("ls", Common, Report),
    ("lsb_release", Distinct, Report),
    ("lsblk", Distinct, Report),
    ("lscpu", Distinct, Report),
    ("lsof", Distinct, Report),
    ("lua", Common, Interpret),
    ("lynx", Distinct, Network),
    ("md", Common, Change),
    ("md5sum", Common, Read),
    ("mkdir", Common, Change),
    ("mkfifo", Distinct, Change),
    ("mknod", Distinct, Change),
    ("more", English, Read),
    ("mount", Common, Report),
    ("move", English, Change),
    ("msbuild", Distinct, Interpret),
    ("mshta", Distinct, Interpret),
    ("msiexec", Distinct, Interpret),
    ("mv", Common, Change),
    ("nano", Common, Read),
    ("nbtstat", Distinct, Report),
    ("nc", Common, Network),
    ("ncat", Distinct, Network),
    ("net", Common, Change),
    ("netcat", Distinct, Network),
    ("netstat", Distinct, Report),
    ("nl", Common, Read),
    ("node", English, Interpret),
    ("nodejs", Common, Interpret),
    ("npm", Common, Change),
    ("nproc", Common, Report),
    ("nslookup", Distinct, Network),
    ("od", Common, Read),
    ("osascript", Distinct, Interpret),
    ("passwd", English, Change),
    ("perl", Common, Interpret),
    ("perl5", Distinct, Interpret),
    ("pg", Common, Read),
    ("php", Common, Interpret),
    ("phpize", Distinct, Interpret),
    ("ping", Common, Network),
    ("ping6", Common, Network),
    ("pip", Common, Change),
    ("pkill", Distinct, Change),
    ("powershell", Distinct, Interpret),
    ("print", English, Print),
    ("printenv", Distinct, Report),
    ("printf", English, Print),
    ("ps", Common, Report),
    ("pstree", Common, Report),
    ("pwd", Common, Report),
    ("pwsh", Distinct, Interpret),
    ("python", Common, Interpret),
    ("python2", Distinct, Interpret),
    ("python3", Distinct, Interpret),
    ("qwinsta", Distinct, Report),
    ("rd", Common, Change),
    ("readlink", Distinct, Read),
    ("reboot", Distinct, Change),
    ("reg", Common, Change),
    ("regsvr32", Distinct, Interpret),
    ("rem", Common, Remark),
    ("ren", Common, Change),
    ("rev", Common, Read),
    ("rm", Common, Change),
    ("rmdir", Distinct, Change),
    ("robocopy", Distinct, Change),
    ("route", Common, Report),
    ("rsync", Distinct, Network),
    ("ruby", Common, Interpret),
    ("rundll32", Distinct, Interpret),
    ("sc", Common, Change),
    ("schtasks", Distinct, Report),
    ("scp", Common, Network),
    ("sed", Common, Read),
    ("set", English, Report),
    ("setfacl", Distinct, Change),
    ("sftp", Common, Network),
    ("sh", Common, Interpret),
    ("sha1sum", Common, Read),
    ("shutdown", Distinct, Change),
    ("sleep", English, Delay),
    ("socat", Distinct, Network),
    ("sort", English, Read),
    ("ss", Common, Report),
    ("ssh", Common, Network),
    ("start", English, Change),
    ("stat", Common, Read),
    ("strings", English, Read),
    ("stty", Common, Report),
    ("systeminfo", Distinct, Report),
    ("tac", Distinct, Read),
    ("tail", Common, Read),
    ("takeown", Distinct, Change),
    ("tar", Common, Change),
    ("taskkill", Distinct, Change),
    ("tasklist", Distinct, Report),
    ("tclsh", Distinct, Interpret),
    ("tcsh", Distinct, Interpret),
    ("tee", Common, Change),
    ("telnet", Distinct, Network),
    ("test", Common, Test),
    ("tftp", Distinct, Network),
    ("time", English, Report),
    ("timeout", English, Delay),
    ("top", English, Report),
    ("touch", English, Change),
    ("tr", Common, Read),
    ("traceroute", Distinct, Network),
    ("tracert", Distinct, Network),
    ("tree", Common, Report),
    ("tty", Common, Report),
    ("type", English, Read),
    ("uname", Distinct, Report),
    ("uniq", Common, Read),
    ("unlink", Common, Change),
    ("unzip", Common, Change),
    ("uptime", Common, Report),
    ("useradd", Distinct, Change),
    ("userdel", Distinct, Change),
    ("usermod", Distinct, Change),
    ("usleep", English, Delay),
    ("ver", Common, Report),
    ("vi", Common, Read),
    ("vim", Common, Read),
    ("visudo", Distinct, Change),
    ("vol", Common, Report),
    ("vssadmin", Distinct, Report),
    ("w", Common, Report),
    ("waitfor", English, Delay),
    ("wc", Common, Read),
    ("wget", Distinct, Network),
    ("whereis", Distinct, Report),
    ("which", English, Report),
    ("who", English, Report),
    ("whoami", Distinct, Report),
    ("whois", Common, Network),
    ("wmic", Distinct, Report),
    ("wscript", Distinct, Interpret),
    ("xcopy", Distinct, Change),
    ("xterm", Distinct, Interpret),
    ("xxd", Distinct, Read),
    ("yum", Common, Change),
    ("zcat", Distinct, Read),
    ("zgrep", Distinct, Read),
    ("zip", Common, Change),
    ("zsh", Distinct, Interpret),
];

/// Looks a folded name up.
pub(super) fn find(name: &[u8]) -> Option<(Standing, Habit)> {
    let name = base_name(name);
    exact(name).or_else(|| {
        // `python3.11`, `pip3`: versions are not part of the name.
        let end = name.iter().rposition(|b| !(b.is_ascii_digit() || *b == b'.'))? + 1;
        let stem = name
            .get(..end)
            .filter(|stem| stem.len() < name.len() && stem.len() > 2)?;
        exact(stem).filter(|(_, habit)| *habit == Interpret || stem == b"pip")
    })
}

/// Looks up the first command that a shell pattern such as `/???/c?t` matches.
///
/// Regular expressions and lists in brackets are full of patterns; what hides a command begins with a letter or at the
/// root, and leaves enough letters for the shell to find just that command.
pub(super) fn find_pattern(pattern: &[u8]) -> Option<(Standing, Habit)> {
    let is_rooted = pattern.starts_with(b"/");
    let base = base_name(pattern);
    let mut is_outside = true;
    let mut is_literal = |b: &&u8| {
        is_outside = **b != b'[' && (is_outside || **b == b']');
        is_outside && b.is_ascii_alphabetic()
    };
    let n_letters = base.iter().filter(&mut is_literal).count();
    let n_slashes = pattern.iter().filter(|b| **b == b'/').count();
    let begins_well = if is_rooted {
        n_slashes > 1
    } else {
        base.first().is_some_and(u8::is_ascii_alphabetic)
    };
    let n_needed = if is_rooted { 1 } else { 2 };
    if !begins_well || n_letters < n_needed || base.len() > 16 || pattern.contains(&b'\\') {
        return None;
    }
    let may_hide = |standing: Standing| is_rooted || standing != English;
    let mut matching = COMMANDS
        .iter()
        .filter(|(name, standing, _)| may_hide(*standing) && matches(base, name.as_bytes()));
    matching.next().map(|(_, standing, habit)| (*standing, *habit))
}

fn exact(name: &[u8]) -> Option<(Standing, Habit)> {
    let at = COMMANDS
        .binary_search_by(|(known, ..)| known.as_bytes().cmp(name))
        .ok()?;
    COMMANDS.get(at).map(|(_, standing, habit)| (*standing, *habit))
}

/// Without folders and without the extension of programs.
fn base_name(name: &[u8]) -> &[u8] {
    let start = name
        .iter()
        .rposition(|b| matches!(b, b'/' | b'\\'))
        .map_or(0, |slash| slash + 1);
    let base = name.get(start..).unwrap_or_default();
    let stem = [&b".exe"[..], b".com", b".bat"]
        .iter()
        .find_map(|extension| base.strip_suffix(*extension));
    stem.unwrap_or(base)
}

/// Matches `?`, `*` and `[..]` (as one character); linear, with one remembered star.
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while let Some(&b) = name.get(n) {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p + 1, n));
                p += 1;
            }
            Some(b'?') => {
                p += 1;
                n += 1;
            }
            Some(b'[') => match pattern
                .get(p..)
                .and_then(|rest| rest.iter().take(5).position(|b| *b == b']'))
            {
                Some(len) => {
                    p += len + 1;
                    n += 1;
                }
                None => return false,
            },
            Some(&literal) if literal == b => {
                p += 1;
                n += 1;
            }
            _ => match star {
                Some((after, from)) => {
                    p = after;
                    n = from + 1;
                    star = Some((after, n));
                }
                None => return false,
            },
        }
    }
    pattern.get(p..).unwrap_or_default().iter().all(|b| *b == b'*')
}

/// Every name, for tests of the prefilter.
#[cfg(test)]
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    COMMANDS.iter().map(|(name, ..)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_is_sorted() {
        assert!(COMMANDS.is_sorted_by_key(|(name, ..)| *name));
    }

    #[test]
    fn names_are_found_without_folder_extension_and_version() {
        for name in [
            "cat",
            "/bin/cat",
            "/usr/bin/python3.11",
            "c:\\windows\\system32\\cmd.exe",
            "pip3",
        ] {
            assert!(find(name.as_bytes()).is_some(), "{name}");
        }
        for name in ["cats", "", "/", "id3", "cat/"] {
            assert!(find(name.as_bytes()).is_none(), "{name}");
        }
    }

    #[test]
    fn patterns_match_as_shells_do() {
        for pattern in ["/???/c?t", "/b*n/wh*i", "w[h]oami", "who*", "/bin/ca*"] {
            assert!(find_pattern(pattern.as_bytes()).is_some(), "{pattern}");
        }
        for pattern in ["*", "???", "x?y", "[a", "[dependencies]", "*stat", "?p", "c*"] {
            assert!(find_pattern(pattern.as_bytes()).is_none(), "{pattern}");
        }
    }
}
