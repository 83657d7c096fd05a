//! Files that an attacker reads and a client never names.
//!
//! A table, not payloads: each entry is a path below some root, lower case, with `/` as separator. An entry that ends
//! in `/` stands for everything below it.

/// How much naming the file says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Weight {
    /// Belongs to the system, but honest configuration names it too.
    System,
    /// Belongs to an application; people talk about it by its bare name.
    Application,
    /// Must never leave the application's folder, not even by a plain URL.
    Hidden,
    /// Naming it is an attack by itself.
    Secret,
}

use Weight::{Application, Hidden, Secret, System};

/// Sorted by path, so that entries that begin alike stand together.
static TARGETS: &[(&str, Weight)] = &[
    (".aws/credentials", Hidden),
    (".bash_history", Hidden),
    (".bashrc", Application),
    (".docker/config.json", Hidden),
    (".dockercfg", Hidden),
    (".env", Hidden),
    (".git-credentials", Hidden),
    (".git/config", Hidden),
    (".git/head", Hidden),
    (".git/index", Hidden),
    (".git/logs/", Hidden),
    (".hg/hgrc", Hidden),
    (".htaccess", Hidden),
    (".htpasswd", Hidden),
    (".kube/config", Hidden),
    (".my.cnf", Hidden),
    (".mysql_history", Hidden),
    (".netrc", Hidden),
    (".npmrc", Application),
    (".pgpass", Hidden),
    (".profile", Application),
    (".ssh/", Hidden),
    (".svn/entries", Hidden),
    (".svn/wc.db", Hidden),
    ("apache/conf/", Secret),
    ("apache/logs/", Secret),
    ("apache2/conf/", Secret),
    ("apache2/logs/", Secret),
    ("appsettings.json", Application),
    ("autoexec.bat", Hidden),
    ("boot.ini", Hidden),
    ("boot/grub/", System),
    ("conf/httpd.conf", Application),
    ("conf/server.xml", Application),
    ("conf/tomcat-users.xml", Hidden),
    ("config/config.inc.php", Application),
    ("config/database.yml", Application),
    ("config/master.key", Application),
    ("config/secrets.yml", Application),
    ("configuration.php", Application),
    ("dev/fd/", System),
    ("dev/null", System),
    ("dev/random", System),
    ("dev/stdin", System),
    ("dev/tcp/", System),
    ("dev/zero", System),
    ("etc/aliases", Secret),
    ("etc/apache", System),
    ("etc/apache2/.htpasswd", Secret),
    ("etc/apache2/envvars", Secret),
    ("etc/bash.bashrc", Secret),
    ("etc/bashrc", Secret),
    ("etc/cron", System),
    ("etc/crontab", Secret),
    ("etc/environment", System),
    ("etc/exports", Secret),
    ("etc/fstab", Secret),
    ("etc/group", Secret),
    ("etc/gshadow", Secret),
    ("etc/host.conf", Secret),
    ("etc/hostname", Secret),
    ("etc/hosts", Secret),
    ("etc/httpd/", System),
    ("etc/httpd/conf/", Secret),
    ("etc/inetd.conf", Secret),
    ("etc/inittab", Secret),
    ("etc/issue", Secret),
    ("etc/kubernetes/admin.conf", Secret),
    ("etc/ld.so.", System),
    ("etc/login.defs", Secret),
    ("etc/lsb-release", Secret),
    ("etc/master.passwd", Secret),
    ("etc/modules.conf", Secret),
    ("etc/motd", Secret),
    ("etc/mtab", Secret),
    ("etc/my.cnf", System),
    ("etc/mysql/", System),
    ("etc/network/", Secret),
    ("etc/networks", Secret),
    ("etc/nginx/", System),
    ("etc/nsswitch.conf", Secret),
    ("etc/opasswd", Secret),
    ("etc/openldap/", Secret),
    ("etc/os-release", Secret),
    ("etc/pam.", Secret),
    ("etc/passwd", Secret),
    ("etc/php", System),
    ("etc/pki/", System),
    ("etc/postfix/", Secret),
    ("etc/profile", Secret),
    ("etc/protocols", Secret),
    ("etc/pure-ftpd.conf", Secret),
    ("etc/pure-ftpd/", Secret),
    ("etc/rc.conf", Secret),
    ("etc/redhat-release", Secret),
    ("etc/resolv.conf", Secret),
    ("etc/samba/smb.conf", Secret),
    ("etc/security/", Secret),
    ("etc/security/passwd", Secret),
    ("etc/services", Secret),
    ("etc/shadow", Secret),
    ("etc/shells", Secret),
    ("etc/ssh/", Secret),
    ("etc/ssl/private", Secret),
    ("etc/subuid", Secret),
    ("etc/sudoers", Secret),
    ("etc/sysconfig/", Secret),
    ("etc/system", Secret),
    ("etc/termcap", Secret),
    ("etc/timezone", System),
    ("etc/vsftpd.conf", Secret),
    ("etc/vsftpd/", Secret),
    ("global.asa", Hidden),
    ("id_dsa", Application),
    ("id_ecdsa", Application),
    ("id_ed25519", Application),
    ("id_rsa", Application),
    ("inetpub/logs/", Secret),
    ("inetpub/wwwroot/", System),
    ("lampp/etc/", Secret),
    ("lampp/logs/", Secret),
    ("localsettings.php", Application),
    ("meta-inf/context.xml", Secret),
    ("ntuser.dat", Hidden),
    ("php.ini", Application),
    ("proc/", Secret),
    ("proc/cmdline", Secret),
    ("proc/cpuinfo", Secret),
    ("proc/net/", Secret),
    ("proc/sched_debug", Secret),
    ("proc/self/", Secret),
    ("proc/version", Secret),
    ("root/.", Secret),
    ("run/secrets/", Secret),
    ("settings.py", Application),
    ("sys/class/", System),
    ("system32/cmd.exe", Secret),
    ("system32/config/", Secret),
    ("system32/drivers/etc/", Secret),
    ("system32/inetsrv/", Secret),
    ("unattend.xml", Application),
    ("usr/local/apache", System),
    ("usr/local/apache/", Secret),
    ("usr/local/apache2/", Secret),
    ("usr/local/etc/", System),
    ("usr/pkgsrc/", Secret),
    ("var/adm/", Secret),
    ("var/lib/mlocate/", Secret),
    ("var/lib/mysql/", System),
    ("var/lib/php", System),
    ("var/log/", System),
    ("var/log/apache/", Secret),
    ("var/log/apache2/", Secret),
    ("var/log/auth", Secret),
    ("var/log/btmp", Secret),
    ("var/log/cron", Secret),
    ("var/log/dmesg", Secret),
    ("var/log/exim", Secret),
    ("var/log/faillog", Secret),
    ("var/log/httpd/", Secret),
    ("var/log/lastlog", Secret),
    ("var/log/lighttpd/", Secret),
    ("var/log/mail.log", Secret),
    ("var/log/maillog", Secret),
    ("var/log/messages", Secret),
    ("var/log/mysql/", Secret),
    ("var/log/nginx/", Secret),
    ("var/log/proftpd", Secret),
    ("var/log/secure", Secret),
    ("var/log/vsftpd", Secret),
    ("var/log/wtmp", Secret),
    ("var/mail/", System),
    ("var/run/secrets/", Secret),
    ("var/run/utmp", Secret),
    ("var/spool/cron", Secret),
    ("var/www/", System),
    ("web-inf/", Secret),
    ("web.config", Hidden),
    ("windows/debug/netsetup.log", Secret),
    ("windows/panther/", Secret),
    ("windows/php.ini", Secret),
    ("windows/repair/", Secret),
    ("windows/system.ini", Secret),
    ("windows/system32/", Secret),
    ("windows/win.ini", Secret),
    ("winnt/php.ini", Secret),
    ("winnt/repair/", Secret),
    ("winnt/system.ini", Secret),
    ("winnt/system32/", Secret),
    ("winnt/win.ini", Secret),
    ("wp-config.php", Application),
    ("xampp/apache/", Secret),
];

/// Names of files of servers, whatever the folder. Sorted.
static SERVER_FILES: &[&str] = &[
    "access.log",
    "access_log",
    "apache.conf",
    "apache2.conf",
    "auth.log",
    "catalina.out",
    "error.log",
    "error_log",
    "ftp.log",
    "ftpd.log",
    "httpd.conf",
    "httpd.log",
    "install.log",
    "lighttpd.conf",
    "mysql-bin.log",
    "mysql.err",
    "mysql.log",
    "mysqld.log",
    "php_error.log",
    "proftpd.conf",
    "proftpd.log",
    "sshd_config",
    "ssl_request_log",
    "sysprep.inf",
    "tomcat-users.xml",
    "user.myd",
    "vsftpd.conf",
    "vsftpd.log",
    "xferlog",
];

/// Whether the last name of a normalised path is one that servers give to their own files.
pub(super) fn is_server_file(path: &[u8]) -> bool {
    let end = path.iter().position(|b| *b == 0).unwrap_or(path.len());
    let path = path.get(..end).unwrap_or_default();
    let name = path.rsplit(|b| *b == b'/').next().unwrap_or_default();
    SERVER_FILES
        .binary_search_by(|known| known.as_bytes().cmp(name))
        .is_ok()
}

/// The weightiest target that a normalised path names, and the number of segments before it.
///
/// `path` is lower case, has `/` as separator and no dot segments.
pub(super) fn find(path: &[u8]) -> Option<(Weight, usize)> {
    let mut best: Option<(Weight, usize)> = None;
    for (n_before, start) in segment_starts(path).enumerate() {
        let rest = path.get(start..).unwrap_or_default();
        // No target is shorter than two bytes.
        let Some(front) = rest.get(..2) else { continue };
        let from = TARGETS.partition_point(|(target, _)| target.as_bytes() < front);
        let same_front = TARGETS.iter().skip(from);
        for (target, weight) in same_front.take_while(|(target, _)| target.as_bytes().starts_with(front)) {
            if names(rest, target.as_bytes(), *weight) && best.is_none_or(|(known, _)| known < *weight) {
                best = Some((*weight, n_before));
            }
        }
    }
    best
}

fn segment_starts(path: &[u8]) -> impl Iterator<Item = usize> {
    let after = path
        .iter()
        .enumerate()
        .filter(|(_, b)| **b == b'/')
        .map(|(at, _)| at + 1);
    std::iter::once(0).chain(after).take(MAX_SEGMENTS)
}

/// Segments at which a target may begin. Longer paths than this are cut by file systems anyway.
const MAX_SEGMENTS: usize = 64;

/// Whether `rest` begins with the target and the target's last name ends there.
fn names(rest: &[u8], target: &[u8], weight: Weight) -> bool {
    let Some(after) = rest.strip_prefix(target) else {
        return false;
    };
    match (target.last(), after.first()) {
        (Some(b'/'), after) => after.is_some(),
        (Some(b'.'), _) | (_, None) => true,
        // `etc/apache` stands for `etc/apache2` too.
        (_, Some(b)) => weight == System || !(b.is_ascii_alphanumeric() || *b == b'_'),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_is_sorted_by_first_byte_and_lower_case() {
        assert!(TARGETS.is_sorted_by_key(|(target, _)| target.as_bytes()));
        assert!(SERVER_FILES.is_sorted());
        assert!(TARGETS.iter().all(|(target, _)| *target == target.to_ascii_lowercase()));
    }

    #[test]
    fn targets_are_found_at_segment_borders() {
        assert_eq!(find(b"etc/passwd"), Some((Secret, 0)));
        assert_eq!(find(b"a/b/etc/passwd\0.png"), Some((Secret, 2)));
        assert_eq!(find(b"app/.env.local"), Some((Hidden, 1)));
        assert_eq!(find(b"fetc/passwd"), None);
        assert_eq!(find(b"app/config.env"), None);
        assert_eq!(find(b".environment"), None);
        assert_eq!(find(b"var/log/"), None);
        assert_eq!(find(b"etc/issues"), None);
        assert_eq!(find(b"etc/apache2/a.conf"), Some((System, 0)));
    }
}
