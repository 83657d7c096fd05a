//! Conditions: a connective, an operand, perhaps a comparison; weighed where they end.

use super::{
    facts::Fact,
    frame::{Class, Clause},
    walk::{Expect, Lead, Walk},
};

// === impl Walk ===

impl Walk<'_, '_> {
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
}
