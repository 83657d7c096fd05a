//! The grammar of statements other than `select`, as far as it takes to tell them from prose.

use super::{
    facts::Fact,
    frame::{Class, Clause, Purpose},
    keywords::Word,
    lexer::Kind,
    names,
    walk::{Expect, Step, Walk},
};

// === impl Walk ===

impl Walk<'_, '_> {
    /// At the start of a statement.
    #[inline(never)]
    pub(super) fn step_statement(&mut self) -> Step {
        let start = self.token.start;
        let word = match self.token.kind {
            Kind::Word(word) => word,
            Kind::Semicolon => {
                self.bump();
                return Step::On;
            }
            Kind::Name if self.is_stacked && self.is_name(b"use") => {
                self.bump();
                return if self.name() { self.operator() } else { Step::Break };
            }
            Kind::Name if self.is_administrative() => return self.administrative(start),
            // A call or a select in parentheses as a statement.
            Kind::Name | Kind::Open if self.is_stacked => {
                self.expect = Expect::Operand;
                return Step::On;
            }
            _ => return Step::Break,
        };
        match word {
            Word::Select => {
                let purpose = if self.is_stacked {
                    Purpose::Stacked
                } else {
                    Purpose::Statement
                };
                self.begin_select(purpose)
            }
            Word::Insert | Word::Replace => self.insert(start),
            Word::Update => self.update(start),
            Word::Delete => self.delete(start),
            Word::Define => self.define(start),
            Word::Exec => self.exec(start),
            Word::Declare => self.declare(start),
            Word::Set => self.set(start),
            Word::Waitfor => self.waitfor(start),
            Word::Shutdown => {
                self.bump();
                let is_end =
                    matches!(self.token.kind, Kind::End | Kind::Comment | Kind::Semicolon) || self.is_name(b"with");
                if self.is_stacked && is_end {
                    self.facts.add(Fact::Stacked, start..self.token.start);
                }
                self.operator()
            }
            // MySQL's `if(…, …, …)` is an expression.
            Word::If if !self.is_stacked && self.lexer.clone().next_token().kind == Kind::Open => {
                self.expect = Expect::Operand;
                Step::On
            }
            Word::If | Word::While => {
                self.bump();
                self.is_stacked = true;
                self.begin_condition_at(start);
                Step::On
            }
            Word::Begin | Word::Else => {
                self.bump();
                self.is_stacked = true;
                Step::On
            }
            Word::End => {
                self.bump();
                if self.token.kind == Kind::Word(Word::If) {
                    self.bump();
                }
                self.operator()
            }
            Word::Call => {
                self.bump();
                if self.token.kind == Kind::Name && self.is_stacked {
                    let mut ahead = self.lexer.clone();
                    let mut next = ahead.next_token();
                    while matches!(next.kind, Kind::Dot | Kind::Name) {
                        next = ahead.next_token();
                    }
                    if next.kind == Kind::Open {
                        self.facts.add(Fact::StackedNames, start..next.end);
                    }
                }
                self.expect = Expect::Operand;
                Step::On
            }
            Word::Copy => self.copy(start),
            _ => Step::Break,
        }
    }

    fn operator(&mut self) -> Step {
        self.expect = Expect::Operator;
        Step::On
    }

    /// Notes a statement; `is_hard` when it holds more than words.
    fn note(&mut self, start: usize, is_hard: bool) {
        let fact = match (self.is_stacked, is_hard) {
            (true, true) => Fact::Stacked,
            (true, false) => Fact::StackedNames,
            (false, true) => Fact::Statement,
            (false, false) => Fact::StatementNames,
        };
        self.facts.add(fact, start..self.token.start);
    }

    /// A name of one or several parts; false when there is none.
    fn name(&mut self) -> bool {
        let start = self.token.start;
        let mut n_parts = 0;
        loop {
            match self.token.kind {
                Kind::Name | Kind::Quoted => {
                    n_parts += 1;
                    self.bump();
                }
                _ => return false,
            }
            while self.token.kind == Kind::Dot {
                self.bump();
            }
            if self.previous != Kind::Dot {
                break;
            }
        }
        let end = self.token.start;
        let name = self.lexer.text(start..end).trim_ascii_end();
        if names::is_catalog(name) {
            self.facts.add(Fact::Catalog, start..end);
        }
        n_parts > 0
    }

    fn is_name(&self, name: &[u8]) -> bool {
        self.token.kind == Kind::Name && self.text().eq_ignore_ascii_case(name)
    }

    /// `insert into t [(…)] values (…)`, `insert into t select …`
    fn insert(&mut self, start: usize) -> Step {
        self.bump();
        if self.token.kind != Kind::Word(Word::Into) {
            return Step::Break;
        }
        self.bump();
        if !self.name() {
            return Step::Break;
        }
        if self.token.kind == Kind::Open && self.skip_list() == Step::Break {
            return Step::Break;
        }
        match self.token.kind {
            Kind::Word(Word::Values) => {
                self.bump();
                if self.token.kind != Kind::Open {
                    return Step::Break;
                }
                self.note(start, true);
                self.top.clause = Clause::Tables;
                self.expect = Expect::Operand;
                Step::On
            }
            Kind::Word(Word::Select) => {
                self.note(start, false);
                Step::On
            }
            _ => Step::Break,
        }
    }

    /// `update t set c = …`
    fn update(&mut self, start: usize) -> Step {
        self.bump();
        if !self.name() || self.token.kind != Kind::Word(Word::Set) {
            return Step::Break;
        }
        self.bump();
        if !self.name() || self.token.kind != Kind::Compare {
            return Step::Break;
        }
        self.bump();
        self.note(start, true);
        self.expect = Expect::Operand;
        Step::On
    }

    /// `delete from t`
    fn delete(&mut self, start: usize) -> Step {
        self.bump();
        if self.token.kind != Kind::Word(Word::From) {
            return Step::Break;
        }
        self.bump();
        if !self.name() {
            return Step::Break;
        }
        self.note(start, false);
        self.top.operand(Class::Name);
        self.operator()
    }

    /// `drop table t`, `create user u …`
    fn define(&mut self, start: usize) -> Step {
        self.bump();
        const OBJECTS: &[&[u8]] = &[
            b"table",
            b"database",
            b"schema",
            b"view",
            b"user",
            b"index",
            b"function",
            b"trigger",
            b"login",
            b"role",
            b"sequence",
            b"column",
            b"extension",
            b"temporary",
            b"alias",
            b"directory",
            b"java",
        ];
        // `create or replace function`
        while let Kind::Word(Word::Or | Word::Replace) = self.token.kind {
            self.bump();
        }
        let is_object = OBJECTS.iter().any(|object| self.text().eq_ignore_ascii_case(object))
            || self.token.kind == Kind::Word(Word::Procedure);
        if !is_object {
            return Step::Break;
        }
        self.bump();
        if self.token.kind == Kind::Word(Word::If) {
            while let Kind::Word(Word::If | Word::Not | Word::Exists) = self.token.kind {
                self.bump();
            }
        }
        if matches!(self.token.kind, Kind::Name | Kind::Quoted) {
            if !self.name() {
                return Step::Break;
            }
        } else {
            return Step::Break;
        }
        const MORE: &[&[u8]] = &[
            b"add",
            b"modify",
            b"rename",
            b"change",
            b"owner",
            b"cascade",
            b"restrict",
            b"identified",
            b"returns",
            b"enable",
        ];
        let is_hard = self.token.kind == Kind::Open || MORE.iter().any(|&word| self.is_name(word));
        self.note(start, is_hard);
        self.top.clause = Clause::Tables;
        self.top.operand(Class::Name);
        if is_hard {
            // The columns of a new table follow; their grammar adds nothing.
            self.skip_to_statement_end();
        }
        self.operator()
    }

    fn skip_to_statement_end(&mut self) {
        while !matches!(
            self.token.kind,
            Kind::Semicolon | Kind::Comment | Kind::End | Kind::Other
        ) {
            self.bump();
        }
    }

    /// `exec xp_cmdshell '…'`, `exec('…')`, `execute immediate '…'`
    fn exec(&mut self, start: usize) -> Step {
        self.bump();
        if self.is_name(b"immediate") {
            self.bump();
            if matches!(self.token.kind, Kind::Str { .. }) {
                self.note(start, true);
                self.expect = Expect::Operand;
                return Step::On;
            }
        }
        match self.token.kind {
            // Python and PHP have functions of that name.
            Kind::Open if self.is_stacked => {
                self.note(start, true);
                self.expect = Expect::Operand;
                Step::On
            }
            Kind::Variable => {
                self.bump();
                if self.token.kind == Kind::Compare {
                    self.bump();
                }
                self.name();
                self.note(start, true);
                self.arguments()
            }
            Kind::Name | Kind::Quoted => {
                let name = self.token.start;
                if !self.name() {
                    return Step::Break;
                }
                let end = self.token.start;
                if names::is_system_procedure(self.lexer.text(name..end).trim_ascii_end()) {
                    self.facts.add(Fact::Outside, start..end);
                }
                let is_hard = matches!(self.token.kind, Kind::Str { .. } | Kind::Variable | Kind::Number { .. });
                self.note(start, is_hard);
                self.arguments()
            }
            _ => Step::Break,
        }
    }

    /// Arguments of a procedure follow without parentheses, or nothing does.
    fn arguments(&mut self) -> Step {
        self.expect = match self.token.kind {
            Kind::Str { .. } | Kind::Variable | Kind::Number { .. } => Expect::Operand,
            _ => Expect::Operator,
        };
        self.top.operand(Class::Name);
        Step::On
    }

    /// `declare @s varchar(8000) …`
    fn declare(&mut self, start: usize) -> Step {
        self.bump();
        if self.token.kind != Kind::Variable {
            return Step::Break;
        }
        self.bump();
        if self.token.kind == Kind::Word(Word::As) {
            self.bump();
        }
        if !self.name() {
            return Step::Break;
        }
        self.is_stacked = true;
        self.note(start, true);
        if self.token.kind == Kind::Open && self.skip_list() == Step::Break {
            return Step::Break;
        }
        self.top.operand(Class::Name);
        self.operator()
    }

    /// `set @s = …`
    fn set(&mut self, start: usize) -> Step {
        self.bump();
        if !matches!(self.token.kind, Kind::Variable | Kind::System) {
            return Step::Break;
        }
        self.bump();
        if !matches!(self.token.kind, Kind::Compare | Kind::Assign) {
            return Step::Break;
        }
        self.bump();
        self.note(start, true);
        self.expect = Expect::Operand;
        Step::On
    }

    /// `waitfor delay '0:0:5'`
    fn waitfor(&mut self, start: usize) -> Step {
        self.bump();
        if !self.is_name(b"delay") && !self.is_name(b"time") {
            return Step::Break;
        }
        self.bump();
        match self.token.kind {
            Kind::Str { .. } | Kind::Variable => {
                self.facts.add(Fact::Time, start..self.token.end);
                self.take_operand(Class::Constant)
            }
            _ => Step::Break,
        }
    }

    /// `copy t from program '…'`, `copy (select …) to '…'`
    fn copy(&mut self, start: usize) -> Step {
        self.bump();
        if self.token.kind == Kind::Open && self.lexer.clone().next_token().kind == Kind::Word(Word::Select) {
            self.expect = Expect::Operand;
            self.note(start, true);
            return Step::On;
        }
        if !self.name() {
            return Step::Break;
        }
        if self.token.kind == Kind::Open && self.skip_list() == Step::Break {
            return Step::Break;
        }
        if self.token.kind != Kind::Word(Word::From) && !self.is_name(b"to") {
            return Step::Break;
        }
        self.bump();
        if self.is_name(b"program") {
            self.bump();
        }
        if !matches!(self.token.kind, Kind::Str { .. }) {
            return Step::Break;
        }
        self.facts.add(Fact::Outside, start..self.token.end);
        self.note(start, true);
        self.take_operand(Class::Constant)
    }

    /// The end of `copy (select …) to '…'`.
    pub(super) fn copy_target(&mut self) -> Step {
        let start = self.token.start;
        self.bump();
        if self.is_name(b"program") {
            self.bump();
        }
        if !matches!(self.token.kind, Kind::Str { .. }) {
            return Step::Break;
        }
        self.facts.add(Fact::Outside, start..self.token.end);
        self.take_operand(Class::Constant)
    }

    /// Whether a statement begins with these two words, which need no grammar to be told from prose after `;`.
    fn is_administrative(&self) -> bool {
        if !self.is_stacked {
            return false;
        }
        let second = self.lexer.clone().next_token();
        let text = self.lexer.text(second.start..second.end);
        let pairs: &[(&[u8], &[&[u8]])] = &[
            (b"load", &[b"data", b"xml"]),
            (b"attach", &[b"database"]),
            (b"detach", &[b"database"]),
            (b"backup", &[b"database", b"log"]),
            (b"restore", &[b"database", b"log"]),
            (b"rename", &[b"table"]),
            (b"merge", &[b"into"]),
            (b"lock", &[b"tables"]),
            (
                b"grant",
                &[b"all", b"select", b"insert", b"update", b"execute", b"dba", b"usage"],
            ),
            (b"revoke", &[b"all", b"select", b"insert", b"update", b"execute"]),
        ];
        let is_end = matches!(second.kind, Kind::End | Kind::Comment | Kind::Semicolon);
        (is_end && (self.is_name(b"vacuum") || self.is_name(b"reconfigure")))
            || (self.is_name(b"kill") && matches!(second.kind, Kind::Number { .. }))
            || (self.is_name(b"prepare") && second.kind == Kind::Name)
            || (self.is_name(b"pragma") && second.kind == Kind::Name)
            || pairs.iter().any(|(first, seconds)| {
                self.is_name(first) && seconds.iter().any(|word| text.eq_ignore_ascii_case(word))
            })
    }

    fn administrative(&mut self, start: usize) -> Step {
        self.skip_to_statement_end();
        self.note(start, self.token.kind == Kind::Comment);
        self.top.operand(Class::Name);
        self.operator()
    }
}
