//! Levels of nesting: parentheses, calls and `case`, and what a call tells when it closes.

use std::ops::Range;

use super::{
    facts::Fact,
    frame::{Class, Clause, Frame, Opener},
    keywords::Word,
    lexer::Kind,
    names::Function,
    walk::{Expect, Lead, Step, Walk},
};

/// Deepest nesting followed.
const MAX_DEPTH: usize = 64;

// === impl Walk ===

impl Walk<'_, '_> {
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
    pub(super) fn close_empty(&mut self) -> Step {
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
    pub(super) fn call(&mut self, function: Function, span: Range<usize>, has_arguments: bool) -> Class {
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
}
