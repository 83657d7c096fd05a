//! Reserved words, by the part they play in the grammar.

/// The longest reserved word, in bytes.
const MAX_LEN: usize = 12;

/// The part a reserved word plays. Words that play the same part share a variant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// `or`, `xor`
    Or,
    /// `and`
    And,
    /// `not`
    Not,
    /// `is`
    Is,
    /// `null`
    Null,
    /// `true`, `false`
    Truth,
    /// `like`, `rlike`, `regexp`, `glob`, `ilike`: comparisons that are words.
    Like,
    /// `in`
    In,
    /// `between`
    Between,
    /// `exists`
    Exists,
    /// `any`, `some`
    Any,
    /// `all`
    All,
    /// `distinct`, `distinctrow`
    Distinct,
    /// `union`, `except`, `intersect`, `minus`
    Union,
    /// `select`
    Select,
    /// `from`
    From,
    /// `where`
    Where,
    /// `having`
    Having,
    /// `group`
    Group,
    /// `order`
    Order,
    /// `by`
    By,
    /// `limit`, `offset`
    Limit,
    /// `procedure`
    Procedure,
    /// `into`
    Into,
    /// `outfile`, `dumpfile`
    Outfile,
    /// `as`
    As,
    /// `asc`, `desc`
    Direction,
    /// `on`
    On,
    /// `using`
    Using,
    /// `join`, `inner`, `cross`, `outer`, `natural`, `full`
    Join,
    /// `left`, `right`: joins and functions.
    Side,
    /// `case`
    Case,
    /// `when`
    When,
    /// `then`
    Then,
    /// `else`
    Else,
    /// `end`
    End,
    /// `div`, `mod`
    Div,
    /// `binary`, `interval`, `prior`: prefixes of an operand.
    Prefix,
    /// `collate`
    Collate,
    /// `escape`
    Escape,
    /// `sounds`
    Sounds,
    /// `values`
    Values,
    /// `insert`
    Insert,
    /// `replace`
    Replace,
    /// `update`
    Update,
    /// `delete`
    Delete,
    /// `drop`, `truncate`, `create`, `alter`
    Define,
    /// `exec`, `execute`
    Exec,
    /// `declare`
    Declare,
    /// `set`
    Set,
    /// `if`
    If,
    /// `while`
    While,
    /// `begin`
    Begin,
    /// `waitfor`
    Waitfor,
    /// `shutdown`
    Shutdown,
    /// `call`
    Call,
    /// `copy`
    Copy,
    /// `top`
    Top,
    /// `for`
    For,
    /// `lock`
    Lock,
}

/// The reserved word that `text` spells in any case.
pub(super) fn word(text: &[u8]) -> Option<Word> {
    let mut lower = [0; MAX_LEN];
    let lower = lower.get_mut(..text.len())?;
    lower.copy_from_slice(text);
    lower.make_ascii_lowercase();
    Some(match &*lower {
        b"or" | b"xor" => Word::Or,
        b"and" => Word::And,
        b"not" => Word::Not,
        b"is" => Word::Is,
        b"null" => Word::Null,
        b"true" | b"false" => Word::Truth,
        b"like" | b"rlike" | b"regexp" | b"glob" | b"ilike" => Word::Like,
        b"in" => Word::In,
        b"between" => Word::Between,
        b"exists" => Word::Exists,
        b"any" | b"some" => Word::Any,
        b"all" => Word::All,
        b"distinct" | b"distinctrow" => Word::Distinct,
        b"union" | b"except" | b"intersect" | b"minus" => Word::Union,
        b"select" => Word::Select,
        b"from" => Word::From,
        b"where" => Word::Where,
        b"having" => Word::Having,
        b"group" => Word::Group,
        b"order" => Word::Order,
        b"by" => Word::By,
        b"limit" | b"offset" => Word::Limit,
        b"procedure" => Word::Procedure,
        b"into" => Word::Into,
        b"outfile" | b"dumpfile" => Word::Outfile,
        b"as" => Word::As,
        b"asc" | b"desc" => Word::Direction,
        b"on" => Word::On,
        b"using" => Word::Using,
        b"join" | b"inner" | b"cross" | b"outer" | b"natural" | b"full" => Word::Join,
        b"left" | b"right" => Word::Side,
        b"case" => Word::Case,
        b"when" => Word::When,
        b"then" => Word::Then,
        b"else" => Word::Else,
        b"end" => Word::End,
        b"div" | b"mod" => Word::Div,
        b"binary" | b"interval" | b"prior" => Word::Prefix,
        b"collate" => Word::Collate,
        b"escape" => Word::Escape,
        b"sounds" => Word::Sounds,
        b"values" => Word::Values,
        b"insert" => Word::Insert,
        b"replace" => Word::Replace,
        b"update" => Word::Update,
        b"delete" => Word::Delete,
        b"drop" | b"truncate" | b"create" | b"alter" => Word::Define,
        b"exec" | b"execute" => Word::Exec,
        b"declare" => Word::Declare,
        b"set" => Word::Set,
        b"if" => Word::If,
        b"while" => Word::While,
        b"begin" => Word::Begin,
        b"waitfor" => Word::Waitfor,
        b"shutdown" => Word::Shutdown,
        b"call" => Word::Call,
        b"copy" => Word::Copy,
        b"top" => Word::Top,
        b"for" => Word::For,
        b"lock" => Word::Lock,
        _ => return None,
    })
}

impl Word {
    /// Whether the word names a function when a parenthesis follows.
    pub(super) fn is_callable(self) -> bool {
        matches!(
            self,
            Word::If
                | Word::Side
                | Word::Replace
                | Word::Insert
                | Word::Div
                | Word::Values
                | Word::Like
                | Word::Any
                | Word::Prefix
                | Word::Truth
        )
    }

    /// Whether the word begins a statement.
    pub(super) fn begins_statement(self) -> bool {
        matches!(
            self,
            Word::Select
                | Word::Insert
                | Word::Replace
                | Word::Update
                | Word::Delete
                | Word::Define
                | Word::Exec
                | Word::Declare
                | Word::Set
                | Word::If
                | Word::While
                | Word::Begin
                | Word::Waitfor
                | Word::Shutdown
                | Word::Call
                | Word::Copy
        )
    }
}
