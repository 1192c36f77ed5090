//! Pictures of dates, read: literal text and markers like `[Y0001]`.

use crate::jsonata::integer::IntegerFormat;
use crate::jsonata::raised::{Raised, quoted};

const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];
/// Numbered as in ISO 8601: Monday is the first.
const WEEKDAYS: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
const HALF_DAYS: [&str; 2] = ["am", "pm"];

#[derive(Debug)]
pub(super) enum Part {
    Literal(String),
    Marker(Marker),
}

#[derive(Debug)]
pub(super) struct Marker {
    pub(super) component: Component,
    pub(super) presentation: Presentation,
    pub(super) width: Width,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Component {
    Year,
    Month,
    Day,
    DayOfYear,
    Weekday,
    Week,
    WeekOfMonth,
    /// The year a week belongs to.
    WeekYear,
    /// The month a week belongs to.
    WeekMonth,
    Hour,
    HalfDayHour,
    HalfDay,
    Minute,
    Second,
    Millisecond,
    Timezone,
    /// A timezone that starts with "GMT".
    GmtOffset,
    Calendar,
    Era,
}

#[derive(Debug)]
pub(super) enum Presentation {
    Name(NameCase),
    Integer(IntegerFormat),
    Zone(Zone),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NameCase {
    Lower,
    Upper,
    Title,
}

#[derive(Debug)]
pub(super) struct Zone {
    pub(super) format: IntegerFormat,
    /// `Z` for UTC.
    pub(super) zulu: bool,
}

/// `,2-4`
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Width {
    pub(super) least: Option<usize>,
    pub(super) most: Option<usize>,
}

/// A marker before its presentation is looked at.
struct Written {
    component: Component,
    presentation: String,
    modifier: Option<char>,
    width: Width,
}

enum WrittenPart {
    Literal(String),
    Marker(Written),
}

/// D3132, D3135 for the text of a picture; then D3130, D3131, D3133, D3134 for its markers.
pub(super) fn parse(picture: &str) -> Result<Vec<Part>, Raised> {
    let parts = scan(picture)?.into_iter().map(|part| match part {
        WrittenPart::Literal(text) => Ok(Part::Literal(text)),
        WrittenPart::Marker(written) => written.finish().map(Part::Marker),
    });
    parts.collect()
}

fn scan(picture: &str) -> Result<Vec<WrittenPart>, Raised> {
    let mut parts = Vec::new();
    let mut literal = String::new();
    let mut rest = picture;
    while let Some(at) = rest.find('[') {
        let (before, marker) = rest.split_at_checked(at).unwrap_or((rest, ""));
        // Outside of markers, a doubled bracket is a bracket.
        literal.push_str(&before.replace("]]", "]"));
        let marker = marker.strip_prefix('[').unwrap_or(marker);
        if let Some(behind) = marker.strip_prefix('[') {
            literal.push('[');
            rest = behind;
            continue;
        }
        let Some((marker, behind)) = marker.split_once(']') else {
            return Err(Raised::new("D3135", "No matching closing bracket ']' in date/time picture string"));
        };
        if !literal.is_empty() {
            parts.push(WrittenPart::Literal(std::mem::take(&mut literal)));
        }
        parts.push(WrittenPart::Marker(Written::parse(marker)?));
        rest = behind;
    }
    literal.push_str(&rest.replace("]]", "]"));
    if !literal.is_empty() {
        parts.push(WrittenPart::Literal(literal));
    }
    Ok(parts)
}

impl Written {
    fn parse(marker: &str) -> Result<Self, Raised> {
        let marker: String = marker.chars().filter(|symbol| !symbol.is_whitespace()).collect();
        let mut symbols = marker.chars();
        let specifier = symbols.next();
        let component = specifier.and_then(Component::of).ok_or_else(|| {
            let specifier = specifier.map(String::from).unwrap_or_default();
            let specifier = quoted(&specifier);
            Raised::new(
                "D3132",
                format!("Unknown component specifier {specifier} in date/time picture string"),
            )
        })?;
        let (mut presentation, width) = match symbols.as_str().rsplit_once(',') {
            Some((presentation, width)) => (presentation, Width::parse(width)),
            None => (symbols.as_str(), Width::default()),
        };
        let mut modifier = None;
        if let Some((at, last)) = presentation.char_indices().next_back()
            && at > 0
            && "atco".contains(last)
        {
            modifier = Some(last);
            presentation = presentation.get(..at).unwrap_or_default();
        }
        if presentation.is_empty() {
            presentation = component.default_presentation();
        }
        Ok(Self { component, presentation: presentation.to_owned(), modifier, width })
    }

    fn finish(self) -> Result<Marker, Raised> {
        let Self { component, presentation, modifier, width } = self;
        let presentation = match presentation.as_str() {
            "N" => Presentation::Name(NameCase::Upper),
            "Nn" => Presentation::Name(NameCase::Title),
            // Names without an order of their own have no other presentation.
            name if name.starts_with('n') || component.is_always_named() => {
                Presentation::Name(NameCase::Lower)
            }
            pattern => {
                let mut format = IntegerFormat::new(pattern, modifier == Some('o'))?;
                if component.is_zone() {
                    return Ok(Marker { component, presentation: zone(format, modifier)?, width });
                }
                format.at_least(width.least.unwrap_or(0));
                // Of a year, the last digits can do.
                if component == Component::Year
                    && let Some(most) = width.most
                {
                    format.at_most(most);
                }
                Presentation::Integer(format)
            }
        };
        if matches!(presentation, Presentation::Name(_)) && !component.has_names() {
            let component = quoted(&component.specifier().to_string());
            return Err(Raised::new(
                "D3133",
                format!(
                    "The 'name' modifier can only be applied to months and days in the date/time picture string, not {component}"
                ),
            ));
        }
        Ok(Marker { component, presentation, width })
    }
}

fn zone(format: IntegerFormat, modifier: Option<char>) -> Result<Presentation, Raised> {
    if format.digits().is_none_or(|(mandatory, _)| mandatory > 4) {
        let message = "The timezone integer format specifier cannot have more than four digits";
        return Err(Raised::new("D3134", message));
    }
    Ok(Presentation::Zone(Zone { format, zulu: modifier == Some('t') }))
}

impl Width {
    /// `least`, `least-most`; `*` is any.
    fn parse(text: &str) -> Self {
        /// No field needs more; larger numbers would only take memory.
        const WIDEST: usize = 1_000;
        let bound = |text: &str| text.parse().ok().map(|width: usize| width.min(WIDEST));
        match text.split_once('-') {
            Some((least, most)) => Self { least: bound(least), most: bound(most) },
            None => Self { least: bound(text), most: None },
        }
    }
}

impl NameCase {
    pub(super) fn apply(self, name: &str) -> String {
        let mut letters = name.chars();
        match self {
            Self::Lower => name.to_owned(),
            Self::Upper => name.to_uppercase(),
            Self::Title => {
                letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect()
            }
        }
    }
}

/// The letters of pictures, and how a component looks without a presentation.
const COMPONENTS: [(Component, char, &str); 19] = [
    (Component::Year, 'Y', "1"),
    (Component::Month, 'M', "1"),
    (Component::Day, 'D', "1"),
    (Component::DayOfYear, 'd', "1"),
    (Component::Weekday, 'F', "n"),
    (Component::Week, 'W', "1"),
    (Component::WeekOfMonth, 'w', "1"),
    (Component::WeekYear, 'X', "1"),
    (Component::WeekMonth, 'x', "1"),
    (Component::Hour, 'H', "1"),
    (Component::HalfDayHour, 'h', "1"),
    (Component::HalfDay, 'P', "n"),
    (Component::Minute, 'm', "01"),
    (Component::Second, 's', "01"),
    (Component::Millisecond, 'f', "1"),
    (Component::Timezone, 'Z', "01:01"),
    (Component::GmtOffset, 'z', "01:01"),
    (Component::Calendar, 'C', "n"),
    (Component::Era, 'E', "n"),
];

impl Component {
    fn of(specifier: char) -> Option<Self> {
        COMPONENTS.iter().find(|(_, letter, _)| *letter == specifier).map(|(component, ..)| *component)
    }

    fn specifier(self) -> char {
        COMPONENTS.iter().find(|(component, ..)| *component == self).map_or(' ', |(_, letter, _)| *letter)
    }

    fn default_presentation(self) -> &'static str {
        COMPONENTS.iter().find(|(component, ..)| *component == self).map_or("1", |(.., default)| default)
    }

    fn is_zone(self) -> bool {
        matches!(self, Self::Timezone | Self::GmtOffset)
    }

    fn is_always_named(self) -> bool {
        matches!(self, Self::HalfDay | Self::Calendar | Self::Era)
    }

    fn has_names(self) -> bool {
        self.is_always_named() || !self.names().is_empty()
    }

    /// The names of its values, in lower case; the first is that of [`Component::first`].
    pub(super) fn names(self) -> &'static [&'static str] {
        match self {
            Self::Month | Self::WeekMonth => &MONTHS,
            Self::Weekday => &WEEKDAYS,
            Self::HalfDay => &HALF_DAYS,
            _ => &[],
        }
    }

    /// The number of the first name.
    pub(super) fn first(self) -> i64 {
        i64::from(self != Self::HalfDay)
    }

    pub(super) fn name(self, value: i64) -> Option<&'static str> {
        self.names().get(usize::try_from(value - self.first()).ok()?).copied()
    }
}
