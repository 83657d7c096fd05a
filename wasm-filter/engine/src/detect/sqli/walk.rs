//! The grammar: walks from a place where SQL may begin for as long as the tokens parse, and notes what they say.
//!
//! An automaton with an explicit stack, so nesting costs memory that is bounded and no recursion. It accepts more than
//! any one dialect does, because it need not run the query: what matters is that prose, code and half a query stop
//! it early. Two liberties are taken on purpose. A missing operator before a parenthesis, a known call or a literal is
//! taken for `+`, because a plus sign in a query string arrives as a blank. Closing parentheses without an opening one
//! close those of the application's own query.

use std::ops::Range;

use super::{
    Fuel,
    facts::Facts,
    frame::{Class, Clause, Frame, Opener},
    keywords::Word,
    lexer::{Kind, Lexer, Token},
};

/// Most tokens read by one walk.
const MAX_TOKENS: u32 = 4096;

/// What stands before a walk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lead {
    /// Nothing: the value is SQL as is, in the place of a number or a statement.
    Bare,
    /// A first word that is taken for an operand, whatever it is.
    Opaque,
    /// A literal that the value closes.
    Literal,
}

/// How a walk ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// With the value, at a place where a query may end.
    Complete,
    /// In a literal that the application's own quote closes.
    Literal,
    /// In a comment that hides the rest of the application's query.
    Comment,
    /// With the value, in the middle of a query.
    Incomplete,
    /// At something that does not parse.
    Broken,
    /// The allowance of work was used up.
    OutOfFuel,
}

/// What a walk found.
#[derive(Clone, Debug)]
pub(super) struct Outcome {
    /// What it says.
    pub(super) facts: Facts,
    /// How it ended.
    pub(super) ending: Ending,
    /// First byte that was not read; of the comment when one ended it.
    pub(super) stop: usize,
    /// The first operand, for bare leads.
    pub(super) first: Class,
    /// Whether the walk read nothing but parentheses and semicolons.
    pub(super) is_empty: bool,
    /// Parentheses closed that the value did not open.
    pub(super) n_closed: usize,
    /// Whether keywords or blanks were hidden in comments.
    pub(super) obfuscated: bool,
    /// The literal that the value ends in, without its quote.
    pub(super) last: Range<usize>,
}

/// What may come next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expect {
    Operand,
    Operator,
    Statement,
}

/// Whether the walk goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    On,
    Break,
}

pub(super) struct Walk<'a, 's> {
    pub(super) lexer: Lexer<'a>,
    pub(super) token: Token,
    pub(super) previous: Kind,
    pub(super) previous_start: usize,
    pub(super) frames: &'s mut Vec<Frame>,
    pub(super) top: Frame,
    pub(super) facts: Facts,
    pub(super) expect: Expect,
    pub(super) lead: Lead,
    /// First token's first byte.
    pub(super) start: usize,
    pub(super) n_tokens: u32,
    pub(super) is_empty: bool,
    /// The operand that follows is a type or a collation.
    pub(super) skip_operand: bool,
    /// A statement begun after `;` rather than at the start of the value.
    pub(super) is_stacked: bool,
    /// Parentheses closed that the value did not open.
    pub(super) n_closed: usize,
    /// The first operand, for bare leads.
    pub(super) first: Class,
}

/// Work of a step, in units of fuel: what a token costs by itself, and each byte of what was read.
const WORK_PER_TOKEN: u64 = 4;
const WORK_PER_BYTE: u64 = 3;

/// Walks from `start`.
pub(super) fn walk(bytes: &[u8], start: usize, lead: Lead, frames: &mut Vec<Frame>, fuel: &mut Fuel) -> Outcome {
    frames.clear();
    let mut lexer = Lexer::new(bytes, start);
    let token = lexer.next_token();
    let mut walk = Walk {
        lexer,
        token,
        previous: Kind::End,
        previous_start: start,
        frames,
        top: Frame::new(Opener::Value, start),
        facts: Facts::default(),
        expect: Expect::Operator,
        lead,
        start: token.start,
        n_tokens: 0,
        is_empty: true,
        skip_operand: false,
        is_stacked: false,
        n_closed: 0,
        first: Class::None,
    };
    walk.begin();
    let mut spent = start;
    let ending = loop {
        let read = WORK_PER_TOKEN + WORK_PER_BYTE * walk.token.end.saturating_sub(spent) as u64;
        spent = walk.token.end;
        if !fuel.spend(read) {
            break Ending::OutOfFuel;
        }
        match walk.token.kind {
            Kind::End | Kind::Comment => break walk.ending(),
            _ if walk.n_tokens >= MAX_TOKENS => break Ending::Broken,
            _ => {}
        }
        if walk.step() == Step::Break {
            break Ending::Broken;
        }
    };
    // A step may have read on before it broke.
    let read = WORK_PER_BYTE * walk.token.end.saturating_sub(spent) as u64;
    let ending = if fuel.spend(read) { ending } else { Ending::OutOfFuel };
    let stop = walk.token.start;
    let last = (walk.previous_start + 1).min(stop)..stop;
    walk.unwind(ending);
    Outcome {
        ending,
        stop,
        first: walk.first,
        is_empty: walk.is_empty,
        n_closed: walk.n_closed,
        obfuscated: walk.lexer.obfuscated,
        facts: walk.facts,
        last,
    }
}

// === impl Walk ===

impl Walk<'_, '_> {
    /// Decides what the first token may be.
    fn begin(&mut self) {
        match self.lead {
            Lead::Opaque => self.top.operand(Class::Name),
            Lead::Literal => self.top.operand(Class::Constant),
            Lead::Bare => match self.token.kind {
                // The value continues an expression of the application's.
                Kind::Word(Word::As) => self.top.clause = Clause::Tables,
                Kind::Word(
                    Word::Or | Word::And | Word::Union | Word::Having | Word::Order | Word::Group | Word::Like,
                )
                | Kind::Word(Word::Limit | Word::Procedure | Word::Into | Word::Where | Word::In | Word::Between)
                | Kind::Bars
                | Kind::Ampersands
                | Kind::Close
                | Kind::Comma
                | Kind::Semicolon
                | Kind::Compare => {}
                Kind::Word(word) if word.begins_statement() => self.expect = Expect::Statement,
                _ => self.expect = Expect::Operand,
            },
        }
    }

    /// How the walk ends when the value does.
    fn ending(&self) -> Ending {
        let is_comment = self.token.kind == Kind::Comment;
        let is_done = self.expect != Expect::Operand && !self.top.awaits_select;
        let is_open = self.previous == Kind::Str { open: true };
        // Levels may stay open only when the application's own text goes on.
        match (is_done, is_comment, is_open) {
            (false, _, _) => Ending::Incomplete,
            (_, _, true) => Ending::Literal,
            (_, true, _) => Ending::Comment,
            // `1) or (1=1`: the application's own parentheses close what the value leaves open.
            _ if self.frames.len() <= self.n_closed => Ending::Complete,
            _ => Ending::Incomplete,
        }
    }

    /// Moves to the next token.
    pub(super) fn bump(&mut self) {
        self.previous = self.token.kind;
        self.previous_start = self.token.start;
        self.token = self.lexer.next_token();
        self.n_tokens += 1;
    }

    /// The bytes of the current token.
    pub(super) fn text(&self) -> &[u8] {
        self.lexer.text(self.token.start..self.token.end)
    }

    pub(super) fn peek(&self) -> Token {
        self.lexer.clone().next_token()
    }

    fn step(&mut self) -> Step {
        if !matches!(self.token.kind, Kind::Close | Kind::Semicolon) {
            self.is_empty = false;
        }
        match self.expect {
            Expect::Operand => self.step_operand(),
            Expect::Operator => self.step_operator(),
            Expect::Statement => self.step_statement(),
        }
    }

    /// Ends every level that is still open, so that what they say is not lost.
    fn unwind(&mut self, ending: Ending) {
        let end = self.token.start;
        let is_operator = self.expect == Expect::Operator;
        loop {
            if is_operator || matches!(ending, Ending::Broken | Ending::Incomplete) {
                self.end_condition(end);
                self.end_item();
            }
            self.end_select(end);
            let class = self.top.current;
            let Some(outer) = self.frames.pop() else {
                break;
            };
            let settled = self.top.is_settled;
            self.top = outer;
            self.top.operand(if settled { Class::Settled } else { class });
        }
    }
}
