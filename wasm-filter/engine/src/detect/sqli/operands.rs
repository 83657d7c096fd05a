//! Where an operand is expected: constants, names, prefixes and what opens a level.

use super::{
    facts::Fact,
    frame::{Class, Clause, Opener, Purpose},
    keywords::Word,
    lexer::Kind,
    names::{self, Function},
    walk::{Expect, Lead, Step, Walk},
};

// === impl Walk ===

impl Walk<'_, '_> {
    #[inline(never)]
    pub(super) fn step_operand(&mut self) -> Step {
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
    pub(super) fn take_star(&mut self) -> Step {
        let is_list = self.top.clause == Clause::Items || matches!(self.top.opener, Opener::Call(_));
        if !is_list {
            return Step::Break;
        }
        if let Some(select) = &mut self.top.select {
            select.is_hard = true;
        }
        self.take_operand(Class::Name)
    }

    pub(super) fn take_word(&mut self, word: Word) -> Step {
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
    pub(super) fn is_first_operand(&self) -> bool {
        let has_sign = self.n_tokens == 1 && matches!(self.previous, Kind::Sign | Kind::Complement);
        self.lead == Lead::Bare && (self.n_tokens == 0 || has_sign)
    }

    /// A name, perhaps of several parts, perhaps of a function.
    pub(super) fn take_name(&mut self) -> Step {
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
}
