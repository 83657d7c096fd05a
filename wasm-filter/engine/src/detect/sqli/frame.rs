//! One level of nesting of a walk: what is open, and what was read at this level so far.

use super::names::Function;

/// What an operand can tell, weakest first. Joining operands with operators keeps the strongest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Class {
    /// There is none yet.
    #[default]
    None,
    /// A number, literal, `null`, `true` or `false`.
    Constant,
    /// A parenthesised comparison of constants.
    Settled,
    /// A column, an alias or a user variable.
    Name,
    /// A call that other languages know as well.
    Common,
    /// A call that SQL alone knows, a variable of the server, or a subselect.
    Telling,
}

/// What opened a level.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Opener {
    /// Nothing: the outermost level.
    #[default]
    Value,
    /// A parenthesis that groups.
    Group,
    /// A call.
    Call(Function),
    /// `case`
    Case,
}

/// Where in a statement a level stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Clause {
    /// In an expression.
    #[default]
    Expression,
    /// In the list of a `select`.
    Items,
    /// After `from`, `join` or `into`.
    Tables,
    /// After `order by`.
    Order,
    /// After `group by`.
    Group,
    /// After `limit`.
    Limit,
}

/// Why there is a `select` at this level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// `union select`
    Union,
    /// In parentheses.
    Sub,
    /// After `;`, or where T-SQL needs none.
    Stacked,
    /// The value begins with it.
    Statement,
}

/// A `select` being read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Select {
    /// Why it is there.
    pub(super) purpose: Purpose,
    /// Where it begins.
    pub(super) start: usize,
    /// Items of its list read to their end.
    pub(super) n_items: u32,
    /// The strongest item.
    pub(super) strongest: Class,
    /// Whether an item is a constant, a star or stronger than a name.
    pub(super) is_hard: bool,
    /// Whether a table was named.
    pub(super) has_table: bool,
    /// Aliases without `as`: prose is full of what looks like them.
    pub(super) n_bare_aliases: u32,
}

/// What a condition is linked with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Link {
    /// Where the connective stands.
    pub(super) start: usize,
    /// Whether it is `||` or `&&`, which programming languages use.
    pub(super) is_symbol: bool,
}

/// One level of nesting.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Frame {
    /// What opened it.
    pub(super) opener: Opener,
    /// Where it was opened.
    pub(super) start: usize,
    /// Where in a statement it stands.
    pub(super) clause: Clause,
    /// Its `select`.
    pub(super) select: Option<Select>,
    /// The connective before the current condition.
    pub(super) link: Option<Link>,
    /// The operand before the comparison.
    pub(super) left: Class,
    /// Whether the current condition has a comparison.
    pub(super) is_compared: bool,
    /// The operand being read.
    pub(super) current: Class,
    /// The strongest operand of the item or table being read.
    pub(super) item: Class,
    /// The strongest operand of the level.
    pub(super) strongest: Class,
    /// Whether any operator but a comparison joined constants.
    pub(super) has_arithmetic: bool,
    /// `between` that wait for their `and`.
    pub(super) n_between: u32,
    /// Whether a `union` waits for its `select`.
    pub(super) awaits_select: bool,
    /// Whether the item or table has its alias.
    pub(super) has_alias: bool,
    /// Operands read.
    pub(super) n_operands: u32,
    /// Whether the level holds an unlinked comparison of constants.
    pub(super) is_settled: bool,
    /// Whether `==` was used.
    pub(super) has_double_equals: bool,
}

// === impl Frame ===

impl Frame {
    /// A level opened at `start`.
    pub(super) fn new(opener: Opener, start: usize) -> Frame {
        Frame {
            opener,
            start,
            ..Frame::default()
        }
    }

    /// Takes an operand in.
    pub(super) fn operand(&mut self, class: Class) {
        self.current = self.current.max(class);
        self.strongest = self.strongest.max(class);
        self.item = self.item.max(class);
        self.n_operands = self.n_operands.saturating_add(1);
    }

    /// Begins a condition after a connective.
    pub(super) fn begin_condition(&mut self, link: Option<Link>) {
        self.link = link;
        self.left = Class::None;
        self.is_compared = false;
        self.current = Class::None;
        self.n_between = 0;
    }

    /// Notes a comparison; what follows is its right side. A chain keeps the strongest side on the left.
    pub(super) fn compare(&mut self) {
        self.left = if self.is_compared {
            self.left.max(self.current)
        } else {
            self.current
        };
        self.is_compared = true;
        self.current = Class::None;
    }
}
