//! Points: where in a request a value stands.
//!
//! Notation and element names follow the Wallarm documentation, "Parsing requests": a point is an ordered list of
//! elements, each with a key or an index where the element has one, for example `["get","id"]`,
//! `["post","json_doc","hash","p1"]` or `["path",0]`.

mod stack;

use std::fmt;

pub use stack::PointStack;
pub(crate) use stack::Step;

/// Declares element names once.
macro_rules! elements {
    ($($variant:ident, $name:literal, $doc:literal;)+) => {
        /// One step of a point: a part of the request, a parser's output or a decoder.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Element {
            $(#[doc = $doc] $variant,)+
        }

        impl Element {
            /// Every element.
            pub const ALL: &'static [Element] = &[$(Element::$variant),+];

            /// The name in Wallarm notation.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Element::$variant => $name,)+
                }
            }
        }
    };
}

elements! {
    Uri, "uri", "Path and query, undivided.";
    Path, "path", "A path segment but the last, by index.";
    ActionName, "action_name", "The last path segment up to its first dot.";
    ActionExt, "action_ext", "The last path segment after its first dot.";
    Get, "get", "A query parameter, by name.";
    Header, "header", "A header field, by upper-case name.";
    Cookie, "cookie", "A cookie, by name, below the header COOKIE.";
    Post, "post", "The body.";
    FormUrlencoded, "form_urlencoded", "A form field, by name.";
    Multipart, "multipart", "A part of a multipart body, by name.";
    File, "file", "The content of an uploaded file.";
    JsonDoc, "json_doc", "The value, read as JSON.";
    Xml, "xml", "The value, read as XML.";
    XmlTag, "xml_tag", "An XML element, by name: `URI:prefix:name` in a namespace. The first of its name in its parent.";
    XmlTagArray, "xml_tag_array", "A further XML element of the name that precedes, by index from 1.";
    XmlAttr, "xml_attr", "An XML attribute, by name.";
    XmlComment, "xml_comment", "An XML comment, by index.";
    XmlPi, "xml_pi", "An XML processing instruction, by index.";
    XmlDtd, "xml_dtd", "The system identifier of the external subset that an XML document names.";
    XmlDtdEntity, "xml_dtd_entity", "An entity that an XML document declares, by index.";
    Hash, "hash", "A member, by name.";
    Array, "array", "An item, by index.";
    Gql, "gql", "The value, read as GraphQL.";
    GqlQuery, "gql_query", "A query, by name.";
    GqlMutation, "gql_mutation", "A mutation, by name.";
    GqlSubscription, "gql_subscription", "A subscription, by name.";
    GqlFragment, "gql_fragment", "A fragment, by name.";
    GqlType, "gql_type", "The type that a fragment applies to, by name.";
    GqlInline, "gql_inline", "A fragment without a name.";
    GqlSpread, "gql_spread", "A fragment that is included, by name.";
    GqlVar, "gql_var", "A variable of an operation with its default, by name.";
    GqlAlias, "gql_alias", "Another name of a field.";
    GqlArg, "gql_arg", "Arguments of a field or directive.";
    GqlDir, "gql_dir", "A directive, by name.";
    Grpc, "grpc", "A message of gRPC, by index.";
    Protobuf, "protobuf", "A field of a protocol-buffers message, by number.";
    ProtobufVarint, "protobuf_varint", "A number of variable length.";
    ProtobufInt32, "protobuf_int32", "A number of four bytes.";
    ProtobufInt64, "protobuf_int64", "A number of eight bytes.";
    Viewstate, "viewstate", "The value, read as view state of ASP.NET.";
    ViewstateArray, "viewstate_array", "An item of an array of view state, by index.";
    ViewstatePair, "viewstate_pair", "One of a pair of view state, by index.";
    ViewstateTriplet, "viewstate_triplet", "One of a triplet of view state, by index.";
    ViewstateDict, "viewstate_dict", "An entry of a dictionary of view state, by key.";
    ViewstateDictKey, "viewstate_dict_key", "The key of an entry.";
    ViewstateDictValue, "viewstate_dict_value", "The value of an entry.";
    ViewstateSparseArray, "viewstate_sparse_array", "An item of a sparse array of view state, by index.";
    Pollution, "pollution", "Values of a repeated name, joined with commas.";
    Name, "name", "The name rather than the value of what precedes.";
    Percent, "percent", "The value, percent-decoded.";
    Htmljs, "htmljs", "The value, with HTML entities and JavaScript escapes decoded.";
    Base64, "base64", "The value, base64-decoded.";
    Hex, "hex", "The value, read as hexadecimal digits.";
    Gzip, "gzip", "The value, unpacked from gzip, zlib or deflate.";
    Brotli, "brotli", "The value, unpacked from brotli. Wallarm's documentation has no element for it.";
    QuotedPrintable, "quoted_printable", "The content of a part, decoded from quoted-printable. Our own element.";
    Unicode, "unicode", "The value, with overlong UTF-8 and look-alikes of ASCII characters folded. Our own element.";
    Charset, "charset", "The value, transcoded to UTF-8 from a character set that hides ASCII. Our own element.";
    Jwt, "jwt", "A part of a JSON web token: `jwt_prefix`, `jwt_header` or `jwt_payload`.";
}

impl Element {
    /// Whether it stands for a decoder, whose value is another form of the same value.
    pub fn is_decoder(self) -> bool {
        matches!(
            self,
            Element::Percent
                | Element::Htmljs
                | Element::Base64
                | Element::Hex
                | Element::Gzip
                | Element::Brotli
                | Element::QuotedPrintable
                | Element::Unicode
                | Element::Charset
        )
    }
}

/// What distinguishes siblings under the same element.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// The element has no siblings, for example `post`.
    None,
    /// A name from the request, bytes as decoded; long names are cut.
    Name(Vec<u8>),
    /// A position, from 0.
    Index(u32),
}

/// An owned point, made only for findings.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PointPath(pub Vec<(Element, Key)>);

impl fmt::Display for PointPath {
    /// Wallarm notation: `["get","id"]`. Bytes that are not UTF-8 are replaced.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[")?;
        for (i, (element, key)) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str(",")?;
            }
            write!(f, "{:?}", element.as_str())?;
            match key {
                Key::None => {}
                Key::Name(name) => write!(f, ",{:?}", String::from_utf8_lossy(name))?,
                Key::Index(index) => write!(f, ",{index}")?,
            }
        }
        f.write_str("]")
    }
}
