//! The stamps of this detector.
//!
//! Capabilities (1001 to 1012) weigh 60: markup that can run script, seen somewhere in the value. What turns one into a
//! finding is company: that the value is little else than markup, or that the script probes, hides or breaks out.
//! In a document a capability is normal and weighs 20, so it needs two companions.

use waf_policy::AttackType;

use crate::detect::{Stamp, THRESHOLD};

macro_rules! stamps {
    ($($id:literal $constant:ident $weight:expr, $name:literal, $reason:literal;)+) => {
        $(pub(super) const $constant: Stamp = Stamp {
            id: $id,
            attack_type: AttackType::Xss,
            name: $name,
            reason: $reason,
            weight: $weight,
        };)+

        /// Every stamp, by number.
        pub(super) static ALL: &[Stamp] = &[$($constant),+];
    };
}

stamps! {
    1001 SCRIPT_ELEMENT 60, "script-element", "A script element with code in it, which runs where the value is shown.";
    1002 REMOTE_SCRIPT 60, "remote-script", "A script element that loads its code from an address in the value.";
    1003 EVENT_HANDLER 60, "event-handler", "An attribute whose value runs as script when an event occurs.";
    1004 SCRIPT_URL 60, "script-url", "A URL with a scheme that runs script or opens a document made of the value.";
    1005 EMBEDDED_DOCUMENT 60, "embedded-document", "An element that embeds a foreign or self-made document into the page.";
    1006 PAGE_OVERRIDE 60, "page-override", "An element that redirects the page, its links, its cookies or its character set.";
    1007 FOREIGN_STYLE 60, "foreign-style", "A style sheet or import from an address in the value.";
    1008 SCRIPT_STYLE 60, "script-style", "Style that runs script, by an expression, a behaviour, a binding or a script URL.";
    1009 ANIMATED_ATTRIBUTE 60, "animated-attribute", "An animation that writes an event handler, a link or markup into another element.";
    1010 DOCUMENT_SCRIPT 20, "script-in-document", "Markup that can run script inside a longer text, where it may be an example.";
    1020 WHOLE_VALUE 40, "markup-is-the-value", "The value is little else than the markup that runs script.";
    1021 PROBE 40, "script-sink", "The script opens a dialog, evaluates a string or reads the session.";
    1022 LONE_PROBE 40, "lone-probe", "The script does nothing but that, as a probe does and a program does not.";
    1023 EVASIVE 40, "evasive-form", "The markup is written as people do not write it: odd separators, hidden letters, a resource meant to fail.";
    1024 BREAK_OUT 40, "break-out", "The value closes a quote, tag or element that it did not open before its markup begins.";
    1030 ATTRIBUTE_BREAK_OUT THRESHOLD, "attribute-break-out", "The value leaves an attribute and adds one that runs script.";
    1031 STRING_BREAK_OUT THRESHOLD, "string-break-out", "The value leaves a string of a script and goes on with code that reaches a sink.";
    1032 SCRIPT_EXPRESSION THRESHOLD, "script-expression", "The whole value is a script expression that opens a dialog or runs code by a detour.";
    1033 SCRIPT_LINK THRESHOLD, "script-link", "The whole value is a URL that runs script when followed.";
    1034 TEMPLATE_SCRIPT THRESHOLD, "template-script", "A template expression of a client-side framework that reaches a script sink.";
    1035 LETTERLESS_SCRIPT THRESHOLD, "letterless-script", "A long run of brackets, signs and pluses that is script written without letters.";
    1036 FOREIGN_CHARSET THRESHOLD, "foreign-charset", "Markup written for a page that is read in UTF-7 or another foreign character set.";
    1037 METACHARACTER_PROBE THRESHOLD, "metacharacter-probe", "A short run of the characters that markup and scripts are made of, sent to see which survive.";
}
