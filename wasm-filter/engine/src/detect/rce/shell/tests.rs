use expect_test::{Expect, expect};

use super::*;

fn check(value: &str, expect: Expect) {
    let mut commands = Vec::new();
    let n_words = lex(value.as_bytes(), &mut commands);
    let mut text = format!("words {n_words}\n");
    for command in &commands {
        let Command {
            opener,
            closer,
            known,
            arguments,
            ..
        } = command;
        text += &format!(
            "{:?} {opener:?} {:?} arguments {}{}{}{} {closer:?}\n",
            &value[command.start..command.end],
            known.unwrap().1,
            arguments.n_all(),
            if command.is_disguised { " disguised" } else { "" },
            if command.has_folder { " folder" } else { "" },
            if arguments.has_system_path { " system" } else { "" },
        );
    }
    expect.assert_eq(&text);
}

#[test]
fn operators_open_commands() {
    check(
        "1;id|cat /etc/passwd&&whoami||ls -la&dir c:\\",
        expect![[r#"
            words 0
            ";id" Semicolon Report arguments 0 Operator
            "|cat /etc/passwd" Pipe Read arguments 1 system Operator
            "&&whoami" AndIf Report arguments 0 Operator
            "||ls -la" OrIf Report arguments 1 Operator
            "&dir c:\\" Ampersand Report arguments 1 system End
        "#]],
    );
    check(
        "a\nuname -a #x",
        expect![[r#"
        words 0
        "\nuname -a " Newline Report arguments 1 Comment
    "#]],
    );
}

#[test]
fn substitutions_open_commands_and_count_as_arguments() {
    check(
        "echo $(id) `ls -l`x $((1+2))",
        expect![[r#"
        words 0
        "echo " Start Print arguments 1 Operator
        "$(id" Substitution Report arguments 0 Bracket
        "`ls -l" Backtick Report arguments 1 Bracket
    "#]],
    );
}

#[test]
fn names_are_folded() {
    check(
        ";c''at /e't'c/passwd",
        expect![[r#"
        words 0
        ";c''at /e't'c/passwd" Semicolon Read arguments 1 disguised system End
    "#]],
    );
    check(
        ";c\\at${IFS}/etc/passwd",
        expect![[r#"
        words 0
        ";c\\at${IFS}/etc/passwd" Semicolon Read arguments 1 disguised system End
    "#]],
    );
    check(
        "|/???/c?t$IFS$9/etc/passwd",
        expect![[r#"
        words 0
        "|/???/c?t$IFS$9/etc/passwd" Pipe Read arguments 1 disguised folder system End
    "#]],
    );
    check(
        ";{cat,/etc/passwd}",
        expect![[r#"
        words 0
        ";{cat,/etc/passwd}" Semicolon Read arguments 1 disguised system End
    "#]],
    );
    check(
        ";w$@hoami",
        expect![[r#"
        words 0
        ";w$@hoami" Semicolon Report arguments 0 disguised End
    "#]],
    );
    check(
        "& p^i^n^g 127.0.0.1",
        expect![[r#"
        words 0
        "& p^i^n^g 127.0.0.1" Ampersand Network arguments 1 disguised End
    "#]],
    );
    check(
        "& %COMSPEC% /c dir",
        expect![[r#"
        words 1
        "& %COMSPEC% /c dir" Ampersand Interpret arguments 2 End
    "#]],
    );
}

#[test]
fn prose_has_few_commands() {
    check(
        "I'd sort; who is there? Don't time it.",
        expect![[r#"
            words 6
            "; who is there? Don't time it." Semicolon Report arguments 5 End
        "#]],
    );
    check(
        "AT&amp;T's date(5) & $(this).find('x')",
        expect![[r#"
            words 2
            "AT&amp;T's date" Start Change arguments 2 Operator
        "#]],
    );
}
