//! Where an operator is expected: comparisons, connectives and words that go on with the query.

use super::{
    facts::Fact,
    frame::{Class, Clause, Link, Opener},
    keywords::Word,
    lexer::Kind,
    names::{self, Function},
    walk::{Expect, Lead, Step, Walk},
};

// === impl Walk ===

impl Walk<'_, '_> {
    #[inline(never)]
    pub(super) fn step_operator(&mut self) -> Step {
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

    pub(super) fn expect_operand(&mut self) -> Step {
        self.expect = Expect::Operand;
        self.bump();
        Step::On
    }

    /// Whether a blank separates this token from the last one.
    pub(super) fn is_spaced(&self) -> bool {
        self.token.start > 0
            && self
                .lexer
                .text(self.token.start - 1..self.token.start)
                .first()
                .is_some_and(|&b| b <= b' ' || b == b'/')
    }

    pub(super) fn is_known_call(&self) -> bool {
        self.peek().kind == Kind::Open && !matches!(names::function(self.text()), Function::Unknown | Function::Common)
    }

    /// Reads on as if there were a `+`.
    pub(super) fn juxtapose(&mut self) -> Step {
        self.expect = Expect::Operand;
        Step::On
    }

    pub(super) fn step_operator_word(&mut self, word: Word) -> Step {
        match word {
            Word::And if self.top.n_between > 0 => {
                self.top.n_between -= 1;
                self.expect_operand()
            }
            Word::Or | Word::And => self.link(false),
            // The condition of a join needs a join.
            Word::On if self.top.clause != Clause::Tables => Step::Break,
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

    pub(super) fn compare_word(&mut self, word: Word) -> Step {
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

    pub(super) fn case(&mut self, word: Word) -> Step {
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
    pub(super) fn link(&mut self, is_symbol: bool) -> Step {
        self.end_condition(self.token.start);
        let start = self.token.start;
        self.top.begin_condition(Some(Link { start, is_symbol }));
        self.expect_operand()
    }
}
