//! What a walk through a value found, before it is weighed.

use std::ops::Range;

/// Declares facts: each is a bit and a slot for its first place.
macro_rules! facts {
    ($($name:ident $doc:literal;)+) => {
        /// Something that a walk established.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Fact {
            $(#[doc = $doc] $name,)+
        }

        impl Fact {
            /// Every fact.
            pub(super) const ALL: &'static [Fact] = &[$(Fact::$name),+];
        }
    };
}

facts! {
    Union "`union select` with a list that holds a constant, a call, a variable or a star.";
    UnionNames "`union select` with names only, from a table or of several columns.";
    Tautology "A connective and a comparison of constants.";
    Probe "A connective and a condition over a telling call, a variable of the server or a subselect.";
    Comparison "A connective and a comparison of a name or a common call with something else.";
    NamesComparison "A connective and a comparison of two names.";
    ConstantTerm "A connective and a constant.";
    Stacked "`;` and a whole statement.";
    StackedNames "`;` and a whole statement of words only.";
    Statement "A statement from the very start.";
    StatementNames "A statement of words only from the very start.";
    Time "A call that waits.";
    Error "A call whose error message quotes its argument.";
    Outside "Access to files, the network or programs.";
    Server "A question about the server.";
    Text "A call that takes strings apart or builds them.";
    Condition "A call or `case` that branches on a comparison of constants.";
    Subselect "A subselect with a table, a call or a star.";
    SubselectConstant "A subselect of constants or of names only.";
    Catalog "A table of the server's own catalogue.";
    OrderPosition "`order by` a position.";
    Grouping "`group by` or `having` after a value.";
    IntoFile "`into outfile`.";
    Analyse "`procedure analyse`.";
    Algebra "A literal that continues with operators and literals only.";
    Bars "`||` or `&&` and a literal, name or call.";
}

const N: usize = Fact::ALL.len();

/// A set of facts with the place of each one's first occurrence.
#[derive(Clone, Debug, Default)]
pub(super) struct Facts {
    mask: u32,
    spans: [(u32, u32); N],
}

// === impl Facts ===

impl Facts {
    /// Adds a fact, unless it is known already.
    pub(super) fn add(&mut self, fact: Fact, span: Range<usize>) {
        if !self.has(fact)
            && let Some(slot) = self.spans.get_mut(fact as usize)
        {
            *slot = (clamp(span.start), clamp(span.end));
            self.mask |= 1 << fact as u32;
        }
    }

    /// Whether no fact is known.
    pub(super) fn is_empty(&self) -> bool {
        self.mask == 0
    }

    /// Whether a fact is known.
    pub(super) fn has(&self, fact: Fact) -> bool {
        self.mask & 1 << fact as u32 != 0
    }

    /// Where a fact was first seen.
    pub(super) fn span(&self, fact: Fact) -> Range<usize> {
        self.spans
            .get(fact as usize)
            .map_or(0..0, |&(start, end)| start as usize..end as usize)
    }
}

fn clamp(offset: usize) -> u32 {
    u32::try_from(offset).unwrap_or(u32::MAX)
}
