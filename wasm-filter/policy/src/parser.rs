//! Parsers and decoders that can be switched off.

use std::{fmt, str::FromStr};

/// Declares parsers once: name in rules, other names, meaning.
macro_rules! parsers {
    ($($variant:ident $name:literal [$($alias:literal)*] $doc:literal;)+) => {
        /// A parser or decoder of the engine that can be switched off.
        ///
        /// Source: Wallarm documentation, "Managing request parsers" and `wallarm_parser_disable`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Parser {
            $(#[doc = $doc] $variant,)+
        }

        impl Parser {
            /// Every parser.
            pub const ALL: &'static [Parser] = &[$(Parser::$variant),+];

            /// The name in rules, configuration and documentation.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Parser::$variant => $name,)+
                }
            }

            fn from_name(name: &str) -> Option<Parser> {
                match name {
                    $($name $(| $alias)* => Some(Parser::$variant),)+
                    _ => None,
                }
            }
        }
    };
}

parsers! {
    Base64 "base64" [] "Base64, standard and URL-safe.";
    Cookie "cookie" [] "The header `Cookie` as cookies.";
    FormUrlencoded "form_urlencoded" ["urlenc"] "A body of name-value pairs. The query is always read.";
    Gql "gql" [] "GraphQL documents.";
    Grpc "grpc" [] "Frames of gRPC and gRPC-Web.";
    Gzip "gzip" ["zlib"] "Compressed values.";
    Hex "hex" [] "Hexadecimal text.";
    Htmljs "htmljs" [] "HTML character references and JavaScript escapes.";
    JsonDoc "json_doc" ["json"] "JSON documents.";
    Jwt "jwt" [] "JSON web tokens.";
    Multipart "multipart" [] "Bodies of several parts.";
    Percent "percent" [] "Percent-encoding beyond that of a query or form.";
    Protobuf "protobuf" [] "Protocol buffers.";
    Viewstate "viewstate" [] "ASP.NET view state.";
    Xml "xml" [] "XML documents.";
}

impl fmt::Display for Parser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Parser {
    type Err = UnknownParser;

    fn from_str(name: &str) -> Result<Parser, UnknownParser> {
        Parser::from_name(name).ok_or_else(|| UnknownParser(name.to_owned()))
    }
}

/// A name that is no parser's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("parser {0:?} is not one of {names}", names = names())]
pub struct UnknownParser(pub String);

fn names() -> String {
    let names: Vec<&str> = Parser::ALL.iter().map(|parser| parser.as_str()).collect();
    names.join(", ") + " (also zlib, json, urlenc)"
}

/// A set of parsers.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct ParserSet(u32);

impl ParserSet {
    /// No parser.
    pub const EMPTY: ParserSet = ParserSet(0);

    /// Every parser.
    pub const ALL: ParserSet = ParserSet((1 << Parser::ALL.len()) - 1);

    /// Whether a parser is in the set.
    #[inline]
    pub fn contains(self, parser: Parser) -> bool {
        self.0 & 1 << parser as u32 != 0
    }

    /// The set with a parser.
    #[must_use]
    pub fn with(self, parser: Parser) -> ParserSet {
        ParserSet(self.0 | 1 << parser as u32)
    }

    /// The set without a parser.
    #[must_use]
    pub fn without(self, parser: Parser) -> ParserSet {
        ParserSet(self.0 & !(1 << parser as u32))
    }

    /// Its parsers, in order of [`Parser::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Parser> {
        Parser::ALL.iter().copied().filter(move |parser| self.contains(*parser))
    }
}

impl FromIterator<Parser> for ParserSet {
    fn from_iter<I: IntoIterator<Item = Parser>>(parsers: I) -> ParserSet {
        parsers.into_iter().fold(ParserSet::EMPTY, ParserSet::with)
    }
}

impl fmt::Debug for ParserSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

#[cfg(feature = "serde")]
mod json {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::{Parser, ParserSet};

    impl Serialize for Parser {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.serialize_str(self.as_str())
        }
    }

    impl<'de> Deserialize<'de> for Parser {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            String::deserialize(deserializer)?
                .parse()
                .map_err(serde::de::Error::custom)
        }
    }

    impl Serialize for ParserSet {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_seq(self.iter())
        }
    }

    impl<'de> Deserialize<'de> for ParserSet {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            Ok(Vec::<Parser>::deserialize(deserializer)?.into_iter().collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_other_names_are_read() {
        for parser in Parser::ALL {
            assert_eq!(parser.as_str().parse(), Ok(*parser));
        }
        assert_eq!("zlib".parse(), Ok(Parser::Gzip));
        assert_eq!("json".parse(), Ok(Parser::JsonDoc));
        assert_eq!("urlenc".parse(), Ok(Parser::FormUrlencoded));
        assert_eq!(
            "yaml".parse::<Parser>().unwrap_err().to_string(),
            "parser \"yaml\" is not one of base64, cookie, form_urlencoded, gql, grpc, gzip, hex, htmljs, json_doc, jwt, \
             multipart, percent, protobuf, viewstate, xml (also zlib, json, urlenc)"
        );
    }

    #[test]
    fn sets() {
        let set: ParserSet = [Parser::Xml, Parser::Base64].into_iter().collect();
        assert_eq!(set.iter().collect::<Vec<_>>(), [Parser::Base64, Parser::Xml]);
        assert!(set.contains(Parser::Xml) && !set.contains(Parser::Jwt));
        assert_eq!(set.without(Parser::Xml).without(Parser::Base64), ParserSet::EMPTY);
        assert_eq!(Parser::ALL.iter().copied().collect::<ParserSet>(), ParserSet::ALL);
    }
}
