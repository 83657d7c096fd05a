//! The stamps of this detector.
//!
//! Capabilities (1001 to 1012) weigh 60: markup that can run script, seen somewhere in the value. What turns one into a
//! finding is company: that the value is little else than markup, or that the script probes, hides or breaks out.
//! In a document a capability is normal and weighs 20, so it needs two companions.

stamps! {
    Xss {
        SCRIPT_ELEMENT 1001 "script-element" 60 "A script element with code in it, which runs where the value is shown.";
        REMOTE_SCRIPT 1002 "remote-script" 60 "A script element that loads its code from an address in the value.";
        EVENT_HANDLER 1003 "event-handler" 60 "An attribute whose value runs as script when an event occurs.";
        SCRIPT_URL 1004 "script-url" 60 "A URL with a scheme that runs script or opens a document made of the value.";
        EMBEDDED_DOCUMENT 1005 "embedded-document" 60 "An element that embeds a foreign or self-made document into the page.";
        PAGE_OVERRIDE 1006 "page-override" 60 "An element that redirects the page, its links, its cookies or its character set.";
        FOREIGN_STYLE 1007 "foreign-style" 60 "A style sheet or import from an address in the value.";
        SCRIPT_STYLE 1008 "script-style" 60 "Style that runs script, by an expression, a behaviour, a binding or a script URL.";
        ANIMATED_ATTRIBUTE 1009 "animated-attribute" 60 "An animation that writes an event handler, a link or markup into another element.";
        DOCUMENT_SCRIPT 1010 "script-in-document" 20 "Markup that can run script inside a longer text, where it may be an example.";
        WHOLE_VALUE 1020 "markup-is-the-value" 40 "The value is little else than the markup that runs script.";
        PROBE 1021 "script-sink" 40 "The script opens a dialog, evaluates a string or reads the session.";
        LONE_PROBE 1022 "lone-probe" 40 "The script does nothing but that, as a probe does and a program does not.";
        EVASIVE 1023 "evasive-form" 40 "The markup is written as people do not write it: odd separators, hidden letters, a resource meant to fail.";
        BREAK_OUT 1024 "break-out" 40 "The value closes a quote, tag or element that it did not open before its markup begins.";
        ATTRIBUTE_BREAK_OUT 1030 "attribute-break-out" 100 "The value leaves an attribute and adds one that runs script.";
        STRING_BREAK_OUT 1031 "string-break-out" 100 "The value leaves a string of a script and goes on with code that reaches a sink.";
        SCRIPT_EXPRESSION 1032 "script-expression" 100 "The whole value is a script expression that opens a dialog or runs code by a detour.";
        SCRIPT_LINK 1033 "script-link" 100 "The whole value is a URL that runs script when followed.";
        TEMPLATE_SCRIPT 1034 "template-script" 100 "A template expression of a client-side framework that reaches a script sink.";
        LETTERLESS_SCRIPT 1035 "letterless-script" 100 "A long run of brackets, signs and pluses that is script written without letters.";
        FOREIGN_CHARSET 1036 "foreign-charset" 100 "Markup written for a page that is read in UTF-7 or another foreign character set.";
        METACHARACTER_PROBE 1037 "metacharacter-probe" 100 "A short run of the characters that markup and scripts are made of, sent to see which survive.";
    }
}
