//! The grammar of `select` and its clauses.

use super::{
    facts::Fact,
    frame::{Class, Clause, Frame, Link, Opener, Purpose, Select},
    keywords::Word,
    lexer::Kind,
    walk::{Expect, Step, Walk},
};

// === impl Walk ===

impl Walk<'_, '_> {
    /// Between `union` and its `select`.
    pub(super) fn step_union(&mut self) -> Step {
        match self.token.kind {
            Kind::Word(Word::All | Word::Distinct) => {
                self.bump();
                Step::On
            }
            Kind::Open => self.open(Opener::Group, self.token.start),
            Kind::Word(Word::Select) => self.begin_select(Purpose::Union),
            _ => Step::Break,
        }
    }

    pub(super) fn begin_select(&mut self, purpose: Purpose) -> Step {
        let start = self.token.start;
        self.top.awaits_select = false;
        self.top.begin_condition(None);
        self.top.item = Class::None;
        self.top.clause = Clause::Items;
        self.top.has_alias = false;
        self.top.select = Some(Select {
            purpose,
            start,
            n_items: 0,
            strongest: Class::None,
            is_hard: false,
            has_table: false,
            n_bare_aliases: 0,
        });
        self.expect = Expect::Operand;
        self.bump();
        Step::On
    }

    /// Counts the item of a list, or the table, that ends here.
    pub(super) fn end_item(&mut self) {
        let class = std::mem::take(&mut self.top.item);
        if class != Class::None
            && let Some(select) = &mut self.top.select
        {
            match self.top.clause {
                Clause::Items => {
                    select.n_items += 1;
                    select.strongest = select.strongest.max(class);
                    select.is_hard |= class != Class::Name;
                }
                Clause::Tables => select.has_table = true,
                _ => {}
            }
        }
        match self.top.clause {
            Clause::Limit if class == Class::Constant => {
                if let Some(select) = &mut self.top.select {
                    select.is_hard = true;
                }
            }
            Clause::Order
                if class == Class::Constant
                    && matches!(self.previous, Kind::Number { .. } | Kind::Word(Word::Direction)) =>
            {
                self.facts.add(Fact::OrderPosition, self.top.start..self.token.start);
            }
            Clause::Order if class == Class::Telling => {
                self.facts.add(Fact::Probe, self.top.start..self.token.start);
            }
            Clause::Group if class == Class::Constant || class >= Class::Common => {
                self.facts.add(Fact::Grouping, self.top.start..self.token.start);
            }
            _ => {}
        }
    }

    /// Ends the clause being read.
    pub(super) fn end_clause(&mut self, end: usize) {
        self.end_condition(end);
        self.end_item();
        self.top.begin_condition(None);
        self.top.has_alias = false;
        self.top.has_arithmetic = false;
    }

    /// Weighs the `select` of this level; its class as an operand.
    pub(super) fn end_select(&mut self, end: usize) -> Option<Class> {
        if self.expect == Expect::Operator {
            self.end_item();
        }
        let select = self.top.select.take()?;
        let span = select.start..end;
        let is_prose = select.n_items == 1 && select.strongest == Class::Constant && select.n_bare_aliases > 0;
        let is_list = select.n_items > 1 || select.strongest >= Class::Common;
        match select.purpose {
            _ if select.n_items == 0 => {}
            // `union select 5 countries from …`
            Purpose::Union
                if select.is_hard && !is_prose && (is_list || select.has_table || select.n_bare_aliases == 0) =>
            {
                self.facts.add(Fact::Union, span);
            }
            Purpose::Union if select.has_table || select.n_items > 1 => self.facts.add(Fact::UnionNames, span),
            Purpose::Union => {}
            Purpose::Sub if (select.has_table && select.is_hard) || select.strongest >= Class::Common => {
                self.facts.add(Fact::Subselect, span);
            }
            Purpose::Sub if select.has_table || select.is_hard => self.facts.add(Fact::SubselectConstant, span),
            Purpose::Sub => return Some(Class::Name),
            Purpose::Stacked if select.is_hard => self.facts.add(Fact::Stacked, span),
            Purpose::Stacked if select.has_table => self.facts.add(Fact::StackedNames, span),
            Purpose::Statement
                if select.is_hard && !is_prose && (select.has_table || select.strongest == Class::Telling) =>
            {
                self.facts.add(Fact::Statement, span);
            }
            Purpose::Statement if select.has_table || select.is_hard => self.facts.add(Fact::StatementNames, span),
            _ => {}
        }
        Some(Class::Telling)
    }

    /// Words that begin a clause.
    pub(super) fn step_clause(&mut self, word: Word) -> Step {
        let start = self.token.start;
        match word {
            Word::Union => {
                self.end_clause(start);
                self.end_select(start);
                // Inside of parentheses a union of selects is still a subselect.
                self.top = Frame {
                    opener: self.top.opener,
                    start: self.top.start,
                    is_settled: self.top.is_settled,
                    awaits_select: true,
                    ..Frame::default()
                };
                self.next(Expect::Operand)
            }
            Word::From => {
                if self.top.select.is_none() && !matches!(self.top.opener, Opener::Call(_)) {
                    return Step::Break;
                }
                self.end_clause(start);
                self.top.clause = match self.top.opener {
                    // `substring(x from 1 for 1)`
                    Opener::Call(_) if self.top.select.is_none() => Clause::Expression,
                    _ => Clause::Tables,
                };
                self.next(Expect::Operand)
            }
            Word::Join | Word::Side => {
                if self.top.clause != Clause::Tables {
                    return Step::Break;
                }
                self.end_clause(start);
                self.bump();
                while let Kind::Word(Word::Join | Word::Side) = self.token.kind {
                    self.bump();
                }
                self.expect = Expect::Operand;
                Step::On
            }
            Word::Using => self.next(Expect::Operand),
            Word::Order | Word::Group => {
                self.end_clause(start);
                self.bump();
                if self.token.kind != Kind::Word(Word::By) {
                    return Step::Break;
                }
                self.top.start = start;
                self.top.clause = if word == Word::Order {
                    Clause::Order
                } else {
                    Clause::Group
                };
                self.next(Expect::Operand)
            }
            Word::Direction => {
                if self.top.clause != Clause::Order {
                    return Step::Break;
                }
                self.bump();
                Step::On
            }
            Word::Limit => {
                self.end_clause(start);
                self.top.clause = Clause::Limit;
                self.next(Expect::Operand)
            }
            Word::Procedure => {
                self.bump();
                if !self.text().eq_ignore_ascii_case(b"analyse") {
                    return Step::Break;
                }
                self.end_clause(start);
                self.facts.add(Fact::Analyse, start..self.token.end);
                self.expect = Expect::Operand;
                Step::On
            }
            Word::Into => self.outfile(start),
            Word::As => self.alias_after_as(),
            Word::For | Word::Lock => self.locking(word),
            Word::Values if self.top.clause == Clause::Tables => self.next(Expect::Operand),
            _ => Step::Break,
        }
    }

    fn next(&mut self, expect: Expect) -> Step {
        self.expect = expect;
        self.bump();
        Step::On
    }

    /// `into outfile '…'`
    fn outfile(&mut self, start: usize) -> Step {
        self.end_clause(start);
        self.bump();
        match self.token.kind {
            Kind::Word(Word::Outfile) => {
                self.bump();
                if matches!(
                    self.token.kind,
                    Kind::Str { .. } | Kind::Number { hex: true } | Kind::Variable
                ) {
                    self.facts.add(Fact::IntoFile, start..self.token.end);
                    return self.take_operand(Class::Constant);
                }
                Step::Break
            }
            Kind::Variable | Kind::Name => self.take_operand(Class::Name),
            _ => Step::Break,
        }
    }

    /// `for update`, `for xml path('')`, `lock in share mode`; `for 1` in `substring(… from … for …)`.
    fn locking(&mut self, word: Word) -> Step {
        self.bump();
        if word == Word::For && matches!(self.top.opener, Opener::Call(_)) {
            self.expect = Expect::Operand;
            return Step::On;
        }
        const WHAT: &[&[u8]] = &[
            b"update", b"in", b"share", b"xml", b"json", b"browse", b"key", b"no", b"read",
        ];
        if !WHAT.iter().any(|word| self.text().eq_ignore_ascii_case(word)) {
            return Step::Break;
        }
        for _ in 0..3 {
            match self.token.kind {
                Kind::Name | Kind::Word(Word::Update | Word::In) => self.bump(),
                _ => break,
            }
        }
        self.expect = Expect::Operator;
        Step::On
    }

    /// `as name`, also `as type(length)` in a cast and `as t(a, b)`.
    fn alias_after_as(&mut self) -> Step {
        let is_cast = matches!(self.top.opener, Opener::Call(_)) && self.top.select.is_none();
        if !is_cast && !matches!(self.top.clause, Clause::Items | Clause::Tables) {
            return Step::Break;
        }
        self.bump();
        let mut n_names = 0;
        while matches!(self.token.kind, Kind::Name | Kind::Quoted | Kind::Str { .. })
            || (is_cast && matches!(self.token.kind, Kind::Word(Word::Prefix | Word::Set)))
        {
            n_names += 1;
            self.bump();
            if !is_cast {
                break;
            }
        }
        if n_names == 0 || n_names > 3 {
            return Step::Break;
        }
        self.top.has_alias = true;
        if self.token.kind == Kind::Open {
            return self.skip_list();
        }
        Step::On
    }

    /// `(10,2)` after a type, `(a, b)` after an alias: constants and names.
    pub(super) fn skip_list(&mut self) -> Step {
        self.bump();
        loop {
            match self.token.kind {
                Kind::Close => {
                    self.bump();
                    return Step::On;
                }
                Kind::Number { .. }
                | Kind::Str { open: false }
                | Kind::Name
                | Kind::Quoted
                | Kind::Comma
                | Kind::Word(_) => self.bump(),
                _ => return Step::Break,
            }
        }
    }

    /// A name that is not an operand: an alias, where one may stand.
    pub(super) fn alias(&mut self) -> Step {
        if self.top.has_alias || !matches!(self.top.clause, Clause::Items | Clause::Tables) || self.top.awaits_select {
            return Step::Break;
        }
        self.top.has_alias = true;
        if let Some(select) = &mut self.top.select {
            select.n_bare_aliases += 1;
        }
        self.bump();
        Step::On
    }

    /// `,` ends an item, an argument or a table.
    pub(super) fn comma(&mut self) -> Step {
        let end = self.token.start;
        self.end_condition(end);
        self.end_item();
        self.top.begin_condition(None);
        self.top.has_alias = false;
        self.next(Expect::Operand)
    }

    /// `;` ends a statement.
    pub(super) fn semicolon(&mut self) -> Step {
        if !self.frames.is_empty() {
            return Step::Break;
        }
        let end = self.token.start;
        self.end_clause(end);
        self.end_select(end);
        self.top = Frame::new(Opener::Value, end);
        self.is_stacked = true;
        self.next(Expect::Statement)
    }

    /// A connective that stands before a condition without being written, as after `if`.
    pub(super) fn begin_condition_at(&mut self, start: usize) {
        self.top.begin_condition(Some(Link {
            start,
            is_symbol: false,
        }));
        self.expect = Expect::Operand;
    }
}
