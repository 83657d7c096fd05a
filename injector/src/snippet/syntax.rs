//! The syntax of NGINX configuration: words, quotes, comments, semicolons and blocks.
//!
//! Source: NGINX, "Beginner's Guide", section "Configuration File's Structure".

use std::fmt;

/// One directive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Directive {
    pub(crate) name: String,
    pub(crate) arguments: Vec<String>,
    pub(crate) body: Body,
}

/// How a directive ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Body {
    /// By a semicolon, or with the text.
    Line,
    /// By a block.
    Block(Vec<Directive>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Word(String),
    End,
    Open,
    Close,
}

/// Reads directives. The last one needs no semicolon.
pub(crate) fn parse(text: &str, max_depth: usize) -> Result<Vec<Directive>, String> {
    let tokens = tokens(text)?;
    let mut stack: Vec<Vec<Directive>> = vec![Vec::new()];
    // Heads of the blocks that are open.
    let mut heads: Vec<Vec<String>> = Vec::new();
    let mut words: Vec<String> = Vec::new();
    let push = |stack: &mut Vec<Vec<Directive>>, words: Vec<String>, body| {
        let mut words = words.into_iter();
        match (words.next(), stack.last_mut()) {
            (Some(name), Some(block)) => {
                block.push(Directive {
                    name,
                    arguments: words.collect(),
                    body,
                });
                Ok(())
            }
            _ => Err("a block has no name".to_owned()),
        }
    };
    for token in tokens.into_iter().chain([Token::End]) {
        match token {
            Token::Word(word) => words.push(word),
            Token::End if words.is_empty() => {}
            Token::End => push(&mut stack, std::mem::take(&mut words), Body::Line)?,
            Token::Open if heads.len() == max_depth => {
                return Err(format!("blocks are nested deeper than {max_depth}"));
            }
            Token::Open => {
                heads.push(std::mem::take(&mut words));
                stack.push(Vec::new());
            }
            Token::Close => {
                if !words.is_empty() {
                    push(&mut stack, std::mem::take(&mut words), Body::Line)?;
                }
                let head = heads.pop().ok_or("there is a } without its {")?;
                let block = stack.pop().unwrap_or_default();
                push(&mut stack, head, Body::Block(block))?;
            }
        }
    }
    match (heads.is_empty(), stack.pop()) {
        (true, Some(directives)) => Ok(directives),
        _ => Err("there is a { without its }".to_owned()),
    }
}

/// The first name in a tree of directives that `is_wanted`.
pub(crate) fn find<'a>(directives: &'a [Directive], is_wanted: &dyn Fn(&str) -> bool) -> Option<&'a str> {
    directives.iter().find_map(|directive| match &directive.body {
        _ if is_wanted(&directive.name) => Some(directive.name.as_str()),
        Body::Block(inner) => find(inner, is_wanted),
        Body::Line => None,
    })
}

fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            c if c.is_whitespace() => {}
            ';' => tokens.push(Token::End),
            '{' => tokens.push(Token::Open),
            '}' => tokens.push(Token::Close),
            '#' => {
                // To the end of the line.
                chars.by_ref().find(|c| *c == '\n');
            }
            '"' | '\'' => {
                let mut word = String::new();
                loop {
                    match chars.next() {
                        None => return Err(format!("there is a {c} without its pair")),
                        Some(end) if end == c => break,
                        // Only quotes and itself are escaped; anything else is part of a regular expression.
                        Some('\\') if chars.peek().is_some_and(|next| [c, '\\'].contains(next)) => {
                            word.extend(chars.next());
                        }
                        Some(other) => word.push(other),
                    }
                }
                tokens.push(Token::Word(word));
            }
            first => {
                let mut word = String::from(first);
                let mut is_escaped = first == '\\';
                while let Some(next) = chars.peek() {
                    if !is_escaped && (next.is_whitespace() || ";{}".contains(*next)) {
                        break;
                    }
                    is_escaped = !is_escaped && *next == '\\';
                    word.push(*next);
                    chars.next();
                }
                tokens.push(Token::Word(word));
            }
        }
    }
    Ok(tokens)
}

impl fmt::Display for Directive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = [&self.name].into_iter().chain(&self.arguments);
        let text = words.map(String::as_str).collect::<Vec<_>>().join(" ");
        match text.char_indices().nth(64) {
            Some((cut, _)) => write!(f, "{}…", &text[..cut]),
            None => f.write_str(&text),
        }
    }
}
