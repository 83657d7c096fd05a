//! Keywords that detectors wait for, as a hash table built at compile time.
//!
//! A word is known by its last eight letters, lower case, as a big-endian number. Longer words that end alike count
//! as the same, which can only wake a detector in vain.

/// Declares groups of keywords: bit, name, documentation, words.
macro_rules! groups {
    ($($bit:literal $name:ident $doc:literal [$($word:ident)+])+) => {
        pub(super) mod group {
            $(#[doc = $doc] pub const $name: u64 = 1 << $bit;)+
        }

        static GROUPS: &[(u64, &[&str])] = &[$((group::$name, &[$(stringify!($word)),+])),+];
    };
}

// Words are added to a group when its detector can report on a value that has no other mark than the word.
groups! {
    0 SQL_LINK "SQL operators that are words: `or`, `and`, `like`, `between`, ..." [
        or and xor not like rlike regexp glob between in is null true false having where div mod sounds collate escape
        exists any all some match against similar ilike
    ]
    1 SQL_QUERY "Words that begin or continue SQL statements: `select`, `union`, `from`, `order`, `drop`, ..." [
        select union insert update delete drop alter create truncate exec execute declare merge replace from into order
        group limit offset procedure case when then values table set waitfor delay intersect except minus shutdown
        outfile dumpfile load grant revoke begin call handler by join inner using with rename use print backup
        reconfigure analyse cast convert copy attach detach pragma vacuum explain desc describe show
    ]
    2 SQL_FUNCTION "Functions and names that SQL attacks call: `sleep`, `benchmark`, `concat`, `version`, ..." [
        sleep benchmark concat version database user char chr ascii substring substr mid count cast extractvalue
        updatexml schema sysobjects syscolumns sqlite master dual password dbms utl xp sp cmdshell hex unhex ord len
        length if ifnull iif coalesce load file rand floor current session
    ]
    3 SHELL "Shell commands and interpreters: `cat`, `id`, `whoami`, `wget`, `bash`, `powershell`, ..." [
        cat tac more less head tail ls dir id whoami who w uname wget curl nc ncat netcat telnet bash sh zsh ksh csh dash
        ping sleep timeout powershell pwsh cmd python perl php ruby java node lua gcc ifconfig ipconfig ip netstat route
        nslookup dig host hostname type net tasklist systeminfo reg certutil bitsadmin mshta wscript cscript rundll
        regsvr echo printf print env printenv set export touch rm cp mv ln mkdir rmdir chmod chown kill ps top find grep
        awk sed xargs tee base od xxd strings busybox ssh scp ftp tftp socat openssl crontab at nohup sudo su passwd
        useradd adduser pwd cd ver vol time date del copy move ren start call exec eval source test sort uniq wc cut tr
        nl rev strace gdb vi vim ed lynx aria rsync tar zip unzip gzip mount df du free uptime last finger
        shell comspec alias apk apt arch arp ash attrib axel bzcat cacls cc chattr chgrp chpasswd chroot dd
        dmesg dmidecode driverquery egrep erase expr fetchmail fgrep findstr gawk getent getmac gpresult
        groupadd groups gunzip hexdump history icacls insmod installutil ipmitool iptables killall links
        lsb lsblk lscpu lsof md mkfifo mknod msbuild msiexec nano nbtstat nodejs npm nproc
        osascript pg phpize pip pkill pstree qwinsta rd readlink reboot rem robocopy sc schtasks setfacl sftp
        sha shutdown ss stat stty takeown taskkill tclsh tcsh traceroute tracert tree tty unlink userdel
        usermod usleep visudo vssadmin waitfor whereis which whois wmic xcopy xterm yum zcat zgrep tmp
    ]
    4 CODE "Names that code injection uses: `eval`, `system`, `exec`, `runtime`, `jndi`, ..." [
        eval assert system exec passthru popen proc shell pcntl spawn require import include
        runtime process processbuilder classloader getclass forname getruntime invoke jndi ldap rmi os subprocess
        builtins globals class mro subclasses base config request self lipsum cycler joiner namespace constructor
        prototype proto phpinfo print printf echo sprintf var dump die exit fopen file get put contents function create
        call user func preg unserialize pickle yaml marshal thread spel ognl el expression struts member access script
        engine javax java lang php asp jsp response write wscript vbscript
        bases getattribute getitem init memberaccess templatereference
        allowstaticmethodaccess chainedtransformer chr createobject defineclass
        downloadfile downloadstring execfile execfilesync execsync execve freemarker frombase fsockopen
        getdeclaredconstructors getdeclaredmethod getdeclaredmethods getenv getmethod gzinflate gzuncompress
        iex jdbcrowsetimpl mainmodule nashorn newinstance ognlcontext ognlutil phpversion processimpl putenv
        readfile scandir scriptenginemanager shellexecute spawnsync templatesimpl webclient ro aced aaeaaad
        rowset cos cposix cnt csys cpty ccommands cplatform builtin posix binding
    ]
    5 SCRIPT "Names that script injection uses: `script`, `alert`, `javascript`, `onerror`, `document`, ..." [
        script javascript vbscript livescript alert confirm prompt eval document window location cookie fromcharcode
        innerhtml expression onerror onload onclick onmouseover onfocus src href style iframe svg img body data
        settimeout setinterval function constructor atob import fetch top self parent frames this
    ]
    6 FILE "Names of sensitive files and folders: `etc`, `passwd`, `htaccess`, `windows`, `proc`, ..." [
        etc passwd shadow group hosts proc self environ var log usr bin root home boot ini windows winnt win system
        inetpub htaccess htpasswd htdocs www web inf meta xml config conf cfg env git svn hg ssh rsa bash history php
        profile issue motd mysql apache nginx access error file phar expect input filter zip dict gopher settings wp
        local sam docker aws credentials kube tmp dev opt secrets
    ]
    7 TOOL "Names of tools that look for weaknesses: `sqlmap`, `nikto`, `nmap`, ..." [
        sqlmap nikto nuclei projectdiscovery acunetix nessus openvas dirbuster gobuster dirsearch feroxbuster wpscan
        joomscan droopescan masscan zgrab nmap af arachni skipfish wfuzz ffuf whatweb havij netsparker invicti appscan
        webinspect zaproxy commix xsser xsstrike dalfox nosqlmap tplmap sqlninja bsqlbf fimap dotdotpwn golismero
        uniscan webshag jaeles zmeu morfeus muieblackcat jorgee explore tcpid sslyze cmsmap vbscan rustbuster
        kiterunner xattacker nettacker dirb burpcollaborator whatwaf wafw fuzz zap grendel memo ratproxy
        nmaplowercheck nmapuppercheck tw
    ]
}

/// Slots of the table: a power of two, several times the number of words so that chains are short.
const SLOTS: usize = 2048;

/// Multiplier that spreads keys: 2^64 divided by the golden ratio, odd.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

#[derive(Clone, Copy)]
struct Slot {
    letters: u64,
    groups: u64,
}

const fn slot_of(letters: u64) -> usize {
    (letters.wrapping_mul(SPREAD) >> (64 - SLOTS.trailing_zeros())) as usize
}

const fn letters_of(word: &[u8]) -> u64 {
    let mut letters = 0;
    let mut rest = word;
    while let [first, tail @ ..] = rest {
        letters = letters << 8 | *first as u64;
        rest = tail;
    }
    letters
}

#[expect(
    clippy::indexing_slicing,
    reason = "evaluated at compile time; slots are masked to the table"
)]
const fn build() -> [Slot; SLOTS] {
    let mut table = [Slot { letters: 0, groups: 0 }; SLOTS];
    let mut g = 0;
    while g < GROUPS.len() {
        let (bit, words) = GROUPS[g];
        let mut w = 0;
        while w < words.len() {
            let letters = letters_of(words[w].as_bytes());
            let mut slot = slot_of(letters);
            while table[slot].letters != 0 && table[slot].letters != letters {
                slot = (slot + 1) & (SLOTS - 1);
            }
            table[slot].letters = letters;
            table[slot].groups |= bit;
            w += 1;
        }
        g += 1;
    }
    table
}

static TABLE: [Slot; SLOTS] = build();

/// The groups of a word; 0 for most words.
#[inline]
pub(super) fn lookup(letters: u64) -> u64 {
    let mut slot = slot_of(letters);
    // The table is never full, so an empty slot ends every search.
    while let Some(entry) = TABLE.get(slot) {
        if entry.letters == letters {
            return entry.groups;
        }
        if entry.letters == 0 {
            return 0;
        }
        slot = (slot + 1) & (SLOTS - 1);
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_found_and_chains_are_short() {
        for (bit, words) in GROUPS {
            for word in *words {
                assert_ne!(lookup(letters_of(word.as_bytes())) & bit, 0, "{word}");
            }
        }
        let used = TABLE.iter().filter(|slot| slot.letters != 0).count();
        assert!(used * 3 < SLOTS, "{used} of {SLOTS} slots used");
    }
}
