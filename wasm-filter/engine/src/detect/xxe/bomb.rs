//! How large declared entities become when they are expanded, by arithmetic alone.

use std::ops::Range;

/// Entities remembered per value. A bomb needs few.
const MAX_ENTITIES: usize = 64;

/// References remembered per value.
const MAX_REFERENCES: usize = 4096;

/// Expansions of a single reference from which on entities explode. Honest documents nest a name in a title in a
/// footer; libexpat and libxml2 stop at about the same.
const MAX_EXPANSIONS: u64 = 1000;

/// Bytes that a single reference, or the whole document, may grow to.
const MAX_EXPANDED_BYTES: u64 = 4 << 20;

#[derive(Debug, Clone)]
struct Entity {
    name: Range<usize>,
    is_parameter: bool,
    /// Bytes of the literal itself.
    n_bytes: u64,
    /// Bytes after expansion, and references followed on the way.
    size: u64,
    n_expansions: u64,
}

/// Entities with a literal value, and who refers to whom.
#[derive(Debug, Default)]
pub(super) struct Entities {
    entities: Vec<Entity>,
    /// Owner and name of each reference inside a literal.
    references: Vec<(usize, Range<usize>, bool)>,
    /// Owner and target of each reference that is resolved.
    edges: Vec<(usize, usize)>,
    /// Bytes that references in the content of the document would add.
    n_content_bytes: u64,
}

impl Entities {
    pub(super) fn clear(&mut self) {
        self.entities.clear();
        self.references.clear();
        self.edges.clear();
        self.n_content_bytes = 0;
    }

    /// Adds a declared entity with a literal value. `name` and `literal` are positions in `text`.
    pub(super) fn declare(&mut self, text: &[u8], name: Range<usize>, is_parameter: bool, literal: Range<usize>) {
        if self.entities.len() >= MAX_ENTITIES {
            return;
        }
        let owner = self.entities.len();
        self.entities.push(Entity {
            name,
            is_parameter,
            n_bytes: literal.len() as u64,
            size: literal.len() as u64,
            n_expansions: 1,
        });
        let budget = MAX_REFERENCES - self.references.len();
        let found = references(text, literal).take(budget);
        self.references
            .extend(found.map(|(name, is_parameter)| (owner, name, is_parameter)));
    }

    /// Resolves what was declared and counts references in the content, which begins at `from`.
    pub(super) fn resolve(&mut self, text: &[u8], from: usize) {
        if self.entities.is_empty() {
            return;
        }
        let Entities {
            entities,
            references: inner,
            edges,
            ..
        } = self;
        let find = |name: &Range<usize>, is_parameter: bool| {
            let wanted = text.get(name.clone());
            entities
                .iter()
                .position(|entity| entity.is_parameter == is_parameter && text.get(entity.name.clone()) == wanted)
        };
        let resolved = inner
            .iter()
            .filter_map(|(owner, name, is_parameter)| Some((*owner, find(name, *is_parameter)?)));
        edges.extend(resolved);
        self.settle();
        let mut total = 0u64;
        for (name, is_parameter) in references(text, from..text.len()).take(MAX_REFERENCES * 4) {
            let wanted = text.get(name);
            let target = self
                .entities
                .iter()
                .find(|entity| entity.is_parameter == is_parameter && text.get(entity.name.clone()) == wanted);
            total = total.saturating_add(target.map_or(0, |entity| entity.size));
        }
        self.n_content_bytes = total;
    }

    /// Computes sizes. Each round follows references one step further, so as many rounds as entities are enough; a
    /// cycle grows with every round.
    fn settle(&mut self) {
        let Entities { entities, edges, .. } = self;
        for _ in 0..entities.len().min(MAX_ENTITIES) {
            let mut sizes = [(0u64, 1u64); MAX_ENTITIES];
            for (owner, target) in edges.iter() {
                let (Some(sum), Some(target)) = (sizes.get_mut(*owner), entities.get(*target)) else {
                    continue;
                };
                sum.0 = sum.0.saturating_add(target.size);
                sum.1 = sum.1.saturating_add(target.n_expansions);
            }
            for (entity, (size, n_expansions)) in entities.iter_mut().zip(sizes) {
                entity.size = entity.n_bytes.saturating_add(size);
                entity.n_expansions = n_expansions;
            }
        }
    }

    /// Whether a reference, or the content, grows beyond what honest documents need.
    pub(super) fn explode(&self) -> bool {
        let is_bomb = |entity: &Entity| entity.n_expansions > MAX_EXPANSIONS || entity.size > MAX_EXPANDED_BYTES;
        self.entities.iter().any(is_bomb) || self.n_content_bytes > MAX_EXPANDED_BYTES
    }

    /// The names of the first and of the largest entity and all between.
    pub(super) fn span(&self) -> Range<usize> {
        let first = self.entities.first().map_or(0, |entity| entity.name.start);
        let largest = self.entities.iter().max_by_key(|entity| entity.size);
        first..largest.map_or(first, |entity| entity.name.end.max(first))
    }
}

/// Names of entities that a part of the text refers to, and whether as parameter entities.
fn references(text: &[u8], within: Range<usize>) -> impl Iterator<Item = (Range<usize>, bool)> + '_ {
    const MAX_NAME: usize = 64;
    let part = text.get(within.clone()).unwrap_or_default();
    memchr::memchr2_iter(b'&', b'%', part).filter_map(move |at| {
        let mark = part.get(at)?;
        // `&#37;` is a percent sign, so `&#37;a;` refers to a parameter entity once it is read again.
        let tail = part.get(at + 1..)?;
        let (skipped, is_parameter) = match [&b"#37;"[..], b"#x25;", b"#X25;"]
            .iter()
            .find(|code| tail.starts_with(code))
        {
            Some(code) if *mark == b'&' => (code.len(), true),
            _ => (0, *mark == b'%'),
        };
        let start = at + 1 + skipped;
        let rest = part.get(start..)?;
        let length = rest.iter().take(MAX_NAME).position(|b| *b == b';')?;
        let start = within.start + start;
        (length > 0).then_some((start..start + length, is_parameter))
    })
}
