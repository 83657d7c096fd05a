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
    facts::{Fact, Facts},
    frame::{Class, Clause, Frame, Link, Opener, Purpose},
    keywords::Word,
    lexer::{Kind, Lexer, Token},
    names::{self, Function},
};

/// Deepest nesting followed.
const MAX_DEPTH: usize = 64;

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
    previous_start: usize,
    pub(super) frames: &'s mut Vec<Frame>,
    pub(super) top: Frame,
    pub(super) facts: Facts,
    pub(super) expect: Expect,
    lead: Lead,
    /// First token's first byte.
    start: usize,
    n_tokens: u32,
    is_empty: bool,
    /// The operand that follows is a type or a collation.
    skip_operand: bool,
    /// A statement begun after `;` rather than at the start of the value.
    pub(super) is_stacked: bool,
    /// Parentheses closed that the value did not open.
    n_closed: usize,
    /// The first operand, for bare leads.
    first: Class,
}

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
        let read = walk.token.end.saturating_sub(spent) as u64 + 1;
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

    fn peek(&self) -> Token {
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

    // --- operands

    fn step_operand(&mut self) -> Step {
        if self.top.awaits_select {
            return self.step_union();
        }
        match self.token.kind {
            Kind::Number { .. } | Kind::Str { .. } => self.take_operand(Class::Constant),
            Kind::System => {
                self.facts.add(Fact::Server, self.token.start..self.token.end);
                self.take_operand(Class::Telling)
            }
            Kind::Variable if self.peek().kind == Kind::Open => self.take_name(),
            Kind::Variable => {
                if let Some(select) = &mut self.top.select {
                    select.is_hard = true;
                }
                let is_first = self.is_first_operand();
                let step = self.take_operand(Class::Name);
                if is_first {
                    self.first = Class::Constant;
                }
                step
            }
            Kind::Name | Kind::Quoted => self.take_name(),
            Kind::Open => self.open(Opener::Group, self.token.start),
            Kind::Close => self.close_empty(),
            Kind::Sign | Kind::Complement => {
                self.bump();
                Step::On
            }
            Kind::Star => self.take_star(),
            Kind::Word(word) => self.take_word(word),
            _ => Step::Break,
        }
    }

    /// `*` stands for all columns in a list, and for all rows in `count(*)`.
    fn take_star(&mut self) -> Step {
        let is_list = self.top.clause == Clause::Items || matches!(self.top.opener, Opener::Call(_));
        if !is_list {
            return Step::Break;
        }
        if let Some(select) = &mut self.top.select {
            select.is_hard = true;
        }
        self.take_operand(Class::Name)
    }

    fn take_word(&mut self, word: Word) -> Step {
        match word {
            Word::Null | Word::Truth => self.take_operand(Class::Constant),
            Word::Not | Word::Prefix | Word::All | Word::Distinct | Word::Exists | Word::Any
                if !(word.is_callable() && self.peek().kind == Kind::Open && word == Word::Truth) =>
            {
                self.bump();
                Step::On
            }
            Word::Select => {
                let purpose = match self.top.opener {
                    Opener::Value => return Step::Break,
                    _ if self.top.n_operands > 0 => return Step::Break,
                    _ => Purpose::Sub,
                };
                self.begin_select(purpose)
            }
            Word::Case => {
                let step = self.open(Opener::Case, self.token.start);
                self.top.link = None;
                step
            }
            Word::When if self.top.opener == Opener::Case && self.top.n_operands == 0 => {
                self.top.begin_condition(None);
                self.bump();
                Step::On
            }
            Word::Top if self.top.clause == Clause::Items => {
                self.bump();
                if self.token.kind == (Kind::Number { hex: false }) {
                    self.bump();
                }
                Step::On
            }
            _ if word.is_callable() && self.peek().kind == Kind::Open => self.take_name(),
            _ => Step::Break,
        }
    }

    pub(super) fn take_operand(&mut self, class: Class) -> Step {
        if std::mem::take(&mut self.skip_operand) {
            self.top.operand(Class::None);
        } else {
            self.top.operand(class);
        }
        if self.is_first_operand() {
            self.first = class;
        }
        self.expect = Expect::Operator;
        self.bump();
        Step::On
    }

    /// Whether the value begins with this operand, perhaps with a sign.
    fn is_first_operand(&self) -> bool {
        let has_sign = self.n_tokens == 1 && matches!(self.previous, Kind::Sign | Kind::Complement);
        self.lead == Lead::Bare && (self.n_tokens == 0 || has_sign)
    }

    /// A name, perhaps of several parts, perhaps of a function.
    fn take_name(&mut self) -> Step {
        let start = self.token.start;
        let mut end = self.token.end;
        let is_first = self.n_tokens == 0;
        let mut kind = self.token.kind;
        self.bump();
        while self.token.kind == Kind::Dot {
            self.bump();
            match self.token.kind {
                Kind::Name | Kind::Quoted | Kind::Word(_) | Kind::Star => {
                    end = self.token.end;
                    kind = self.token.kind;
                    self.bump();
                }
                // `master..sysdatabases`
                Kind::Dot => {}
                _ => return Step::Break,
            }
        }
        let name = self.lexer.text(start..end);
        if self.token.kind == Kind::Open && kind != Kind::Star {
            // What follows `::` is a type in SQL; in other languages it is a function.
            let function = if std::mem::take(&mut self.skip_operand) {
                Function::Unknown
            } else {
                names::function(name)
            };
            if is_first && self.lead == Lead::Bare {
                self.first = Class::Common;
            }
            return self.open(Opener::Call(function), start);
        }
        if is_first && self.lead == Lead::Bare {
            self.first = Class::Name;
        }
        if self.top.clause == Clause::Tables && self.top.select.is_some() && names::is_catalog(name) {
            self.facts.add(Fact::Catalog, start..end);
        }
        // Some questions about the server need no parentheses.
        let bare_call = matches!(kind, Kind::Name)
            && (matches!(name, [b'c' | b'C' | b's' | b'S', ..]))
            && names::function(name) == Function::Server
            && self.top.clause != Clause::Tables
            && (name.contains(&b'_'));
        let class = if bare_call { Class::Telling } else { Class::Name };
        if bare_call {
            self.facts.add(Fact::Server, start..end);
        }
        if std::mem::take(&mut self.skip_operand) {
            self.top.operand(Class::None);
        } else {
            self.top.operand(class);
        }
        self.expect = Expect::Operator;
        Step::On
    }

    // --- nesting

    pub(super) fn open(&mut self, opener: Opener, start: usize) -> Step {
        if self.frames.len() >= MAX_DEPTH {
            return Step::Break;
        }
        let awaits_select = self.top.awaits_select;
        let link = match opener {
            // A group inherits the connective, so `and ('a'='a` says the same as `and 'a'='a`.
            Opener::Group if !self.top.is_compared && self.top.current == Class::None => self.top.link,
            _ => None,
        };
        let outer = std::mem::replace(&mut self.top, Frame::new(opener, start));
        self.frames.push(outer);
        self.top.awaits_select = awaits_select;
        self.top.link = link;
        self.expect = Expect::Operand;
        self.bump();
        Step::On
    }

    /// `()` after a name.
    fn close_empty(&mut self) -> Step {
        match self.top.opener {
            Opener::Call(_) if self.previous == Kind::Open => self.close(),
            // `convert(x, binary)`
            Opener::Call(_) if self.previous == Kind::Word(Word::Prefix) => self.close(),
            _ => Step::Break,
        }
    }

    /// Closes the innermost level, or one of the application's own.
    pub(super) fn close(&mut self) -> Step {
        let end = self.token.end;
        if self.top.opener == Opener::Case && self.token.kind == Kind::Close {
            return Step::Break;
        }
        let start = self.top.start;
        let is_call_with_arguments = self.top.n_operands > 0;
        self.end_condition(end);
        let was_group = self.top.opener == Opener::Group;
        let class = match (self.end_select(end), self.top.opener) {
            (Some(class), _) => class,
            (None, Opener::Call(function)) => self.call(function, start..end, is_call_with_arguments),
            (None, _) if self.top.is_settled => Class::Settled,
            (None, _) => self.top.current.max(self.top.left),
        };
        match self.frames.pop() {
            Some(outer) => {
                self.top = outer;
                // `union (select …)`
                self.top.awaits_select = false;
                if std::mem::take(&mut self.skip_operand) {
                    self.top.operand(Class::None);
                } else {
                    self.top.operand(class);
                }
            }
            None => {
                self.n_closed += 1;
                // What follows belongs to the query around the application's own parenthesis.
                self.top = Frame::new(Opener::Value, end);
                self.top.clause = Clause::Tables;
                self.top.operand(Class::Constant);
            }
        }
        // A value that begins with a group is no prose.
        if was_group && self.frames.is_empty() && start == self.start && class != Class::Name {
            self.first = Class::Constant;
        }
        self.expect = Expect::Operator;
        self.bump();
        Step::On
    }

    /// What a completed call tells.
    fn call(&mut self, function: Function, span: Range<usize>, has_arguments: bool) -> Class {
        let (fact, class) = match function {
            Function::Server => {
                let takes_arguments = self.lexer.text(span.clone()).contains(&b'_');
                if has_arguments && !takes_arguments {
                    return Class::Common;
                }
                self.facts.add(Fact::Server, span);
                return Class::Telling;
            }
            // `sleep(delay)` is a line of a program.
            _ if self.lead != Lead::Literal && self.top.strongest == Class::Name && !self.top.is_settled => {
                return Class::Common;
            }
            Function::Time => (Fact::Time, Class::Telling),
            Function::Error => (Fact::Error, Class::Telling),
            Function::Outside => (Fact::Outside, Class::Telling),
            Function::Text => (Fact::Text, Class::Telling),
            Function::Condition if self.top.is_settled => (Fact::Condition, Class::Telling),
            Function::Condition | Function::Common => return Class::Common,
            Function::Unknown => return Class::Name,
        };
        if has_arguments {
            self.facts.add(fact, span);
            if self.top.is_settled {
                self.facts.add(Fact::Condition, self.top.start..self.token.end);
            }
        }
        class
    }

    // --- operators

    fn step_operator(&mut self) -> Step {
        let token = self.token;
        match token.kind {
            Kind::Compare | Kind::DoubleEquals => {
                self.top.has_double_equals |= token.kind == Kind::DoubleEquals;
                self.top.compare();
                self.expect_operand()
            }
            // PostgreSQL's match; `!` is no binary operator.
            Kind::Complement if self.n_tokens > 0 => {
                self.top.compare();
                self.expect_operand()
            }
            Kind::Sign | Kind::Arithmetic | Kind::Assign | Kind::Star => {
                self.top.has_arithmetic = true;
                self.expect_operand()
            }
            Kind::Cast => {
                self.skip_operand = true;
                self.expect_operand()
            }
            Kind::Bars | Kind::Ampersands => self.link(true),
            Kind::Comma => self.comma(),
            Kind::Close => self.close(),
            // `openrowset('provider', 'host';'user';'password', …)`
            Kind::Semicolon if matches!(self.top.opener, Opener::Call(_)) => self.comma(),
            Kind::Semicolon => self.semicolon(),
            Kind::Word(word) => self.step_operator_word(word),
            Kind::Str { .. } => match self.previous {
                // The first literal right after the closing quote is that quote doubled, hence no literal at all.
                _ if self.n_tokens == 0 && token.start == self.top.start => Step::Break,
                Kind::Str { .. } | Kind::Close => self.juxtapose(),
                _ => self.alias(),
            },
            Kind::Open if self.n_tokens == 0 || self.previous == Kind::Close || self.is_spaced() => self.juxtapose(),
            Kind::Number { .. }
                if self.previous == Kind::Close && (!self.frames.is_empty() || self.top.clause == Clause::Items) =>
            {
                self.juxtapose()
            }
            Kind::Name if self.is_known_call() => self.juxtapose(),
            // `group_concat(x separator ':')`
            Kind::Name
                if self.top.opener == Opener::Call(Function::Text)
                    && self.text().eq_ignore_ascii_case(b"separator") =>
            {
                self.comma()
            }
            Kind::Name if self.is_stacked && self.text().eq_ignore_ascii_case(b"to") => self.copy_target(),
            Kind::Name | Kind::Quoted => self.alias(),
            _ => Step::Break,
        }
    }

    fn expect_operand(&mut self) -> Step {
        self.expect = Expect::Operand;
        self.bump();
        Step::On
    }

    /// Whether a blank separates this token from the last one.
    fn is_spaced(&self) -> bool {
        self.token.start > 0
            && self
                .lexer
                .text(self.token.start - 1..self.token.start)
                .first()
                .is_some_and(|&b| b <= b' ' || b == b'/')
    }

    fn is_known_call(&self) -> bool {
        self.peek().kind == Kind::Open && !matches!(names::function(self.text()), Function::Unknown | Function::Common)
    }

    /// Reads on as if there were a `+`.
    fn juxtapose(&mut self) -> Step {
        self.expect = Expect::Operand;
        Step::On
    }

    fn step_operator_word(&mut self, word: Word) -> Step {
        match word {
            Word::And if self.top.n_between > 0 => {
                self.top.n_between -= 1;
                self.expect_operand()
            }
            Word::Or | Word::And => self.link(false),
            Word::Where | Word::On => {
                self.end_item();
                self.top.clause = Clause::Expression;
                self.link(false)
            }
            Word::Having => {
                self.facts.add(Fact::Grouping, self.token.start..self.token.end);
                self.end_item();
                self.top.clause = Clause::Expression;
                self.link(false)
            }
            Word::Not => {
                self.bump();
                match self.token.kind {
                    Kind::Word(Word::In | Word::Like | Word::Between) => Step::On,
                    _ => Step::Break,
                }
            }
            Word::Like | Word::In | Word::Between | Word::Is => self.compare_word(word),
            Word::Sounds => {
                self.bump();
                match self.token.kind {
                    Kind::Word(Word::Like) => Step::On,
                    _ => Step::Break,
                }
            }
            Word::Div | Word::Escape => {
                self.top.has_arithmetic = true;
                self.expect_operand()
            }
            Word::Collate => {
                self.skip_operand = true;
                self.expect_operand()
            }
            Word::When | Word::Then | Word::Else | Word::End if self.top.opener == Opener::Case => self.case(word),
            Word::If if self.peek().kind == Kind::Open && (self.n_tokens == 0 || self.is_spaced()) => self.juxtapose(),
            Word::Case => self.juxtapose(),
            // T-SQL needs no semicolon between statements.
            Word::Waitfor | Word::Exec | Word::Declare if self.frames.is_empty() => {
                self.is_stacked = true;
                self.expect = Expect::Statement;
                Step::On
            }
            // `21 update t set …`: T-SQL needs none after an expression either.
            Word::Update | Word::Insert | Word::Delete | Word::Define | Word::If | Word::While | Word::Begin
                if self.frames.is_empty() && self.n_tokens <= 2 && self.lead == Lead::Bare =>
            {
                self.is_stacked = true;
                self.expect = Expect::Statement;
                Step::On
            }
            Word::Then if self.is_stacked && self.frames.is_empty() => {
                self.end_condition(self.token.start);
                self.bump();
                self.expect = Expect::Statement;
                Step::On
            }
            _ if self.is_stacked && self.frames.is_empty() && word.begins_statement() => {
                self.end_clause(self.token.start);
                self.expect = Expect::Statement;
                Step::On
            }
            Word::End if self.is_stacked => {
                self.bump();
                Step::On
            }
            _ => self.step_clause(word),
        }
    }

    fn compare_word(&mut self, word: Word) -> Step {
        self.bump();
        if word == Word::In && self.token.kind == Kind::Name && self.text().eq_ignore_ascii_case(b"boolean") {
            // `match … against ('…' in boolean mode)`
            self.bump();
            self.bump();
            return Step::On;
        }
        self.top.n_between += u32::from(word == Word::Between);
        self.top.compare();
        self.expect = Expect::Operand;
        if word == Word::Is && self.token.kind == Kind::Name && self.text().eq_ignore_ascii_case(b"unknown") {
            return self.take_operand(Class::Constant);
        }
        match (word, self.token.kind) {
            (Word::In, Kind::Open | Kind::Sign) | (Word::Between | Word::Is | Word::Like, _) => Step::On,
            _ => Step::Break,
        }
    }

    fn case(&mut self, word: Word) -> Step {
        self.end_condition(self.token.start);
        match word {
            Word::End => {
                let settled = self.top.is_settled;
                let start = self.top.start;
                let class = self.top.current.max(Class::Common);
                if settled {
                    self.facts.add(Fact::Condition, start..self.token.end);
                }
                let Some(outer) = self.frames.pop() else {
                    return Step::Break;
                };
                self.top = outer;
                self.top.operand(class);
                self.expect = Expect::Operator;
                self.bump();
                Step::On
            }
            _ => {
                self.top.begin_condition(None);
                self.expect_operand()
            }
        }
    }

    /// A connective: the condition so far is complete, the next one is linked.
    fn link(&mut self, is_symbol: bool) -> Step {
        self.end_condition(self.token.start);
        let start = self.token.start;
        self.top.begin_condition(Some(Link { start, is_symbol }));
        self.expect_operand()
    }

    /// Weighs the condition that ends here.
    pub(super) fn end_condition(&mut self, end: usize) {
        if self.expect == Expect::Operand && self.top.current == Class::None {
            return;
        }
        let (left, right) = (self.top.left, self.top.current);
        let (low, high) = (left.min(right), left.max(right));
        let compared = self.top.is_compared && low != Class::None;
        let Some(link) = self.top.link.take() else {
            if compared && high <= Class::Settled {
                self.top.is_settled = true;
            }
            if self.frames.is_empty()
                && self.lead == Lead::Literal
                && high == Class::Constant
                && (compared || self.top.has_arithmetic)
                && self.top.start > 0
                && self.top.clause == Clause::Expression
            {
                self.facts.add(Fact::Algebra, self.top.start..end);
            }
            return;
        };
        let span = link.start..end;
        let fact = match (compared, low, high) {
            (true, _, Class::Telling) | (false, _, Class::Telling) => Fact::Probe,
            (true, Class::Constant | Class::Settled, Class::Constant | Class::Settled) => Fact::Tautology,
            (true, _, _) if self.top.has_double_equals => return,
            (true, Class::Name, Class::Name) => Fact::NamesComparison,
            // Programming languages write that, too.
            (true, _, _) if link.is_symbol => Fact::NamesComparison,
            (true, _, _) => Fact::Comparison,
            (false, _, Class::Settled) if self.top.is_settled => Fact::Tautology,
            (false, _, Class::Constant | Class::Settled) if link.is_symbol => Fact::Bars,
            (false, _, Class::Constant | Class::Settled) => Fact::ConstantTerm,
            (false, _, Class::Common | Class::Name) if link.is_symbol => Fact::Bars,
            _ => return,
        };
        self.facts.add(fact, span);
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
