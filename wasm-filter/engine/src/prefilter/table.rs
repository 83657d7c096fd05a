//! Byte classes and pairs of neighbours as one table of 256 entries.

/// What is known about one byte value.
#[derive(Clone, Copy)]
pub(super) struct Entry {
    /// Its kinds.
    pub(super) class: u64,
    /// Pairs that it may begin.
    pub(super) first: u64,
    /// Pairs that it may end.
    pub(super) second: u64,
}

/// Looks a byte up.
#[inline]
pub(super) fn lookup(b: u8) -> Entry {
    #[expect(clippy::indexing_slicing, reason = "a byte cannot exceed a table of 256 entries")]
    TABLE[b as usize]
}

/// Declares byte kinds: name, predicate over a byte, documentation.
macro_rules! byte_kinds {
    ($($bit:literal $name:ident $pattern:pat, $doc:literal;)+) => {
        pub(super) mod byte {
            $(#[doc = $doc] pub const $name: u64 = 1 << $bit;)+
        }

        const fn class_of(b: u8) -> u64 {
            let mut class = 0;
            $(if matches!(b, $pattern) { class |= byte::$name; })+
            class
        }
    };
}

byte_kinds! {
    0 SINGLE_QUOTE b'\'', "`'`";
    1 DOUBLE_QUOTE b'"', "`\"`";
    2 BACKTICK b'`', "`` ` ``";
    3 PAREN_OPEN b'(', "`(`";
    4 PAREN_CLOSE b')', "`)`";
    5 BRACKET b'[' | b']', "`[` or `]`";
    6 BRACE_OPEN b'{', "`{`";
    7 BRACE_CLOSE b'}', "`}`";
    8 LESS b'<', "`<`";
    9 GREATER b'>', "`>`";
    10 EQUALS b'=', "`=`";
    11 SLASH b'/', "`/`";
    12 BACKSLASH b'\\', "`\\`";
    13 DOT b'.', "`.`";
    14 COMMA b',', "`,`";
    15 SEMICOLON b';', "`;`";
    16 COLON b':', "`:`";
    17 PIPE b'|', "`|`";
    18 AMPERSAND b'&', "`&`";
    19 DOLLAR b'$', "`$`";
    20 HASH b'#', "`#`";
    21 AT b'@', "`@`";
    22 PERCENT b'%', "`%`";
    23 STAR b'*', "`*`";
    24 PLUS b'+', "`+`";
    25 MINUS b'-', "`-`";
    26 TILDE b'~', "`~`";
    27 CARET b'^', "`^`";
    28 BANG b'!', "`!`";
    29 QUESTION b'?', "`?`";
    30 UNDERSCORE b'_', "`_`";
    31 DIGIT b'0'..=b'9', "A decimal digit.";
    32 LOWER b'a'..=b'z', "A lower-case ASCII letter.";
    33 UPPER b'A'..=b'Z', "An upper-case ASCII letter.";
    34 SPACE b' ', "A space.";
    35 TAB b'\t', "A tab.";
    36 NEWLINE b'\r' | b'\n', "CR or LF.";
    37 NUL 0, "NUL.";
    38 CONTROL 0x01..=0x08 | 0x0b | 0x0c | 0x0e..=0x1f | 0x7f, "A control byte other than NUL, tab, CR and LF.";
    39 HIGH 0x80..=0xff, "A byte above 0x7f.";
}

/// Declares pairs: name, pattern of the first and of the second byte, documentation.
macro_rules! pairs {
    ($($bit:literal $name:ident $first:pat, $second:pat, $doc:literal;)+) => {
        pub(super) mod pair {
            $(#[doc = $doc] pub const $name: u64 = 1 << $bit;)+
        }

        const fn first_of(b: u8) -> u64 {
            let mut pairs = 0;
            $(if matches!(b, $first) { pairs |= pair::$name; })+
            pairs
        }

        const fn second_of(b: u8) -> u64 {
            let mut pairs = 0;
            $(if matches!(b, $second) { pairs |= pair::$name; })+
            pairs
        }
    };
}

pairs! {
    0 DOT_DOT b'.', b'.', "`..`";
    1 DASH_DASH b'-', b'-', "`--`";
    2 COMMENT_OPEN b'/', b'*', "`/*`";
    3 COMMENT_CLOSE b'*', b'/', "`*/`";
    4 PIPE_PIPE b'|', b'|', "`||`";
    5 AMPERSAND_AMPERSAND b'&', b'&', "`&&`";
    6 DOLLAR_PAREN b'$', b'(', "`$(`";
    7 DOLLAR_BRACE b'$', b'{', "`${`";
    8 HASH_OR_PERCENT_BRACE b'#' | b'%' | b'*' | b'@' | b'~', b'{', "`#{`, `%{`, `*{`, `@{` or `~{`";
    9 BRACE_BRACE b'{', b'{', "`{{`";
    10 BRACE_PERCENT b'{', b'%', "`{%`";
    11 TAG_OPEN b'<', b'A'..=b'Z' | b'a'..=b'z' | b'/' | b'!' | b'?' | b'%', "`<` and a letter, `/`, `!`, `?` or `%`";
    12 CALL b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'_' | b'$' | b']' | b')' | b'`' | b'\'' | b'"', b'(', "An opening parenthesis after what can name a function.";
    13 EMPTY_CALL b'(', b')', "`()`";
    14 SLASH_SLASH b'/', b'/', "`//`";
    15 COLON_SLASH b':', b'/', "`:/`";
    16 DOT_SLASH b'.', b'/' | b'\\', "`./` or `.\\`";
    17 SLASH_DOT b'/' | b'\\', b'.', "`/.` or `\\.`";
    18 BACKSLASH_ESCAPE b'\\', b'x' | b'u' | b'0'..=b'9', "`\\x`, `\\u` or a backslash and a digit";
    19 PERCENT_HEX b'%', b'0'..=b'9' | b'A'..=b'F' | b'a'..=b'f' | b'u' | b'U', "`%` and a hexadecimal digit or `u`.";
    20 ENTITY b'&', b'#' | b'A'..=b'Z' | b'a'..=b'z', "`&` and `#` or a letter.";
    21 DOLLAR_NAME b'$', b'A'..=b'Z' | b'a'..=b'z' | b'_' | b'0'..=b'9' | b'@' | b'*' | b'?' | b'!' | b'#' | b'\'' | b'"', "`$` and what a shell expands: a name, a digit, a special parameter or a quote.";
    22 LETTER_COLON b'A'..=b'Z' | b'a'..=b'z', b':', "A letter and `:`, as a URL scheme ends.";
    23 PROCESS_SUBSTITUTION b'<' | b'>', b'(', "`<(` or `>(`";
    24 AT_AT b'@', b'@', "`@@`";
    25 ZERO_X b'0', b'x' | b'X', "`0x`";
    26 SEPARATOR_SPACE b';' | b'|' | b'&' | b'\n' | b'\r', b' ' | b'\t', "A command separator and a blank.";
    27 SEPARATOR_NAME b';' | b'|' | b'&' | b'\n' | b'\r', b'A'..=b'Z' | b'a'..=b'z' | b'/' | b'.' | b'$' | b'`' | b'(' | b'\\' | b'\'' | b'"', "A command separator and what can begin a command.";
    28 LETTER_SPACE_EQUALS b'A'..=b'Z' | b'a'..=b'z' | b' ' | b'\t' | b'\n' | b'\r' | 0x0c, b'=', "`=` after a letter or white space, as in an attribute.";
    29 QUOTE_SPACE b'\'' | b'"' | b'`', b' ' | b'\t' | b'\n' | b'\r' | 0x0c | 0x0b, "A quote and white space.";
    30 QUOTE_OPERATOR b'\'' | b'"' | b'`', b')' | b';' | b',' | b'+' | b'-' | b'|' | b'&' | b'=' | b'<' | b'>' | b'*' | b'/' | b'#' | b'^' | b'%' | b'!', "A quote and an operator.";
    31 DIGIT_EQUALS b'0'..=b'9' | b'\'' | b'"' | b')' | b' ', b'=', "`=` after a digit, quote, `)` or space.";
    32 BRACKET_QUOTE b'[', b'\'' | b'"' | b'$', "`[` and a quote or `$`.";
    33 HASH_NEXT b'#' | b'%', b'=' | b'!', "`#=`, `#!`, `%=` or `%!`.";
    34 QUOTE_QUOTE b'\'' | b'"', b'\'' | b'"', "Two quotes.";
    35 DRIVE b'A'..=b'Z' | b'a'..=b'z' | b':', b'\\', "A letter or colon and a backslash.";
}

const fn build() -> [Entry; 256] {
    let mut table = [Entry {
        class: 0,
        first: 0,
        second: 0,
    }; 256];
    let mut b = 0;
    while b < 256 {
        #[expect(clippy::indexing_slicing, reason = "evaluated at compile time, bound by the loop")]
        {
            table[b] = Entry {
                class: class_of(b as u8),
                first: first_of(b as u8),
                second: second_of(b as u8),
            };
        }
        b += 1;
    }
    table
}

static TABLE: [Entry; 256] = build();
