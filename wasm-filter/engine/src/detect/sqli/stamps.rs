//! Every stamp of the detector, and which fact earns which.

use super::{Stamp, facts::Fact};

stamps! {
    Sqli {
        UNION 2001 "union-select" 100 "A complete UNION SELECT adds rows of the attacker's choice to the result.";
        UNION_NAMES 2002 "union-select-names" 60 "A complete UNION SELECT of plain columns adds rows to the result.";
        TAUTOLOGY 2003 "constant-condition" 100 "A comparison of constants is linked to the query's condition and settles it.";
        PROBE 2004 "boolean-probe" 100 "A condition over SQL functions, server variables or a subselect is linked to the query's condition.";
        COMPARISON 2005 "linked-comparison" 60 "A comparison with a column is linked to the query's condition.";
        NAMES_COMPARISON 2006 "linked-names" 40 "A comparison of two columns is linked to the query's condition.";
        CONSTANT_TERM 2007 "linked-constant" 60 "A constant is linked to the query's condition as if it were one.";
        STACKED 2008 "stacked-statement" 100 "A semicolon ends the query and another statement follows.";
        STACKED_NAMES 2009 "stacked-words" 60 "A semicolon is followed by what reads as a statement.";
        STATEMENT 2010 "whole-statement" 100 "The value as a whole is an SQL statement.";
        STATEMENT_NAMES 2011 "whole-statement-words" 60 "The value as a whole reads as an SQL statement.";
        TIME 2012 "time-delay" 100 "A call makes the database wait, so that the delay answers a question.";
        ERROR 2013 "error-channel" 100 "A call fails with a message that quotes data.";
        OUTSIDE 2014 "outside-access" 100 "The query reaches for files, the network or programs of the database server.";
        SERVER 2015 "server-question" 60 "The query asks about the server, its user or its database.";
        TEXT 2016 "text-function" 40 "SQL functions build a string without quotes or read one letter by letter.";
        CONDITION 2017 "constant-branch" 100 "A conditional function branches on a comparison of constants.";
        SUBSELECT 2018 "subselect" 80 "A complete subselect stands inside of an expression.";
        SUBSELECT_CONSTANT 2019 "subselect-constant" 60 "A subselect of a constant stands inside of an expression.";
        CATALOG 2020 "catalogue-table" 60 "The query reads the server's own catalogue of tables, columns or users.";
        ORDER_POSITION 2021 "order-by-position" 60 "ORDER BY a number probes how many columns the query has.";
        GROUPING 2022 "grouping" 40 "GROUP BY or HAVING follows the value, to provoke an error or reach a condition.";
        INTO_FILE 2023 "into-outfile" 100 "The result is written to a file on the database server.";
        ANALYSE 2024 "procedure-analyse" 100 "PROCEDURE ANALYSE after a limit makes the server evaluate its arguments.";
        ALGEBRA 2025 "quote-algebra" 100 "The literal is closed and joined by an operator to the literal that follows, which changes what is compared.";
        BARS 2026 "linked-symbol" 40 "A constant or column is linked to the query's condition by a symbol.";
        BREAK_OUT 2027 "break-out" 40 "A quote ends the literal and what follows continues as SQL to its end.";
        COMMENT_END 2028 "comment-end" 40 "A comment hides the rest of the application's query.";
        NUMBER_LEAD 2029 "number-continued" 40 "A number continues as SQL to the end of the value.";
        TRUNCATION 2030 "comment-truncation" 100 "A quote ends the literal and a comment hides the rest of the application's query.";
        SEMICOLON_END 2032 "semicolon-end" 40 "A semicolon ends what reads as a statement.";
        OBFUSCATION 2031 "comment-blanks" 40 "Comments stand in for blanks or hide keywords.";
        CONTINUATION 2033 "condition-continued" 20 "The value begins with a connective, as if to continue a condition.";
        SEQUENCE 2034 "token-sequence" 100 "Tokens follow one another as in an injection; the second opinion, which would read them as a query, is switched off.";
    }
}

/// The stamp that a fact earns.
pub(super) fn of(fact: Fact) -> &'static Stamp {
    match fact {
        Fact::Union => &UNION,
        Fact::UnionNames => &UNION_NAMES,
        Fact::Tautology => &TAUTOLOGY,
        Fact::Probe => &PROBE,
        Fact::Comparison => &COMPARISON,
        Fact::NamesComparison => &NAMES_COMPARISON,
        Fact::ConstantTerm => &CONSTANT_TERM,
        Fact::Stacked => &STACKED,
        Fact::StackedNames => &STACKED_NAMES,
        Fact::Statement => &STATEMENT,
        Fact::StatementNames => &STATEMENT_NAMES,
        Fact::Time => &TIME,
        Fact::Error => &ERROR,
        Fact::Outside => &OUTSIDE,
        Fact::Server => &SERVER,
        Fact::Text => &TEXT,
        Fact::Condition => &CONDITION,
        Fact::Subselect => &SUBSELECT,
        Fact::SubselectConstant => &SUBSELECT_CONSTANT,
        Fact::Catalog => &CATALOG,
        Fact::OrderPosition => &ORDER_POSITION,
        Fact::Grouping => &GROUPING,
        Fact::IntoFile => &INTO_FILE,
        Fact::Analyse => &ANALYSE,
        Fact::Algebra => &ALGEBRA,
        Fact::Bars => &BARS,
    }
}
