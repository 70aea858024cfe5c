//! The points of a request of metrics.

use llm_sre_domain::Timestamp;
use llm_sre_domain::detect::Fingerprint;
use llm_sre_domain::telemetry::Temporality;

use crate::Unusual;
use crate::check::{self, EXEMPLAR, KEY_VALUE, RESOURCE, SCOPE};
use crate::fingerprint::Hasher;
use crate::wire::{Field, Fields, bytes, fixed64, text, varint, words};

/// Fields of a metric that hold its data, by kind.
const GAUGE: u32 = 5;
const SUM: u32 = 7;
const HISTOGRAM: u32 = 9;
const EXPONENTIAL: u32 = 10;
const SUMMARY: u32 = 11;
/// The bit of a point's flags that says that nothing was recorded.
const NO_VALUE: u32 = 1;

/// The points of a request that can be taken, in wire order.
#[derive(Default)]
pub struct Points<'a> {
    resources: Vec<Resource<'a>>,
    metrics: Vec<Metric<'a>>,
    points: Vec<Point<'a>>,
}

/// One point, without what it has in common with all others of its series.
#[derive(Clone, Copy, Debug)]
pub struct Point<'a> {
    /// Of the resource: who speaks.
    pub speaker: Fingerprint,
    /// Of resource, metric, kind and attributes: the series.
    pub series: Fingerprint,
    /// When it was measured.
    pub time: Timestamp,
    /// Start of the interval that it counts over; `None` where OTLP says zero.
    pub start: Option<Timestamp>,
    /// What was measured.
    pub kind: Kind<'a>,
    resource: usize,
    metric: usize,
    bytes: &'a [u8],
}

/// What a point holds.
#[derive(Clone, Copy, Debug)]
pub enum Kind<'a> {
    /// A gauge, or a sum that can shrink.
    Level(f64),
    /// A sum that only grows.
    Count(f64, Temporality),
    /// A histogram with explicit bounds.
    Distribution(Distribution<'a>),
    /// An exponential histogram or a summary. Not looked into; perhaps it cannot be taken at all.
    Other,
}

/// A histogram's numbers.
#[derive(Clone, Copy, Debug)]
pub struct Distribution<'a> {
    /// How many values.
    pub count: u64,
    /// Their sum, where the sender gave it.
    pub sum: Option<f64>,
    /// What it counts since.
    pub temporality: Temporality,
    bounds: &'a [u8],
    buckets: &'a [u8],
}

impl<'a> Distribution<'a> {
    /// Upper bounds of all buckets but the last, ascending.
    pub fn bounds(&self) -> impl ExactSizeIterator<Item = f64> + Clone + use<'a> {
        words(self.bounds).map(f64::from_bits)
    }

    /// Values a bucket: one more than bounds, or none.
    pub fn buckets(&self) -> impl ExactSizeIterator<Item = u64> + Clone + use<'a> {
        words(self.buckets)
    }
}

struct Resource<'a> {
    fingerprint: Fingerprint,
    bytes: Option<&'a [u8]>,
}

/// A metric, and the part of its data that is not points.
struct Metric<'a> {
    name: &'a str,
    unit: &'a str,
    kind: u32,
    temporality: u64,
    is_monotonic: bool,
}

impl<'a> Points<'a> {
    /// Reads a request. `seed` goes into every fingerprint.
    ///
    /// # Errors
    /// [`Unusual`] where it is malformed, or not written as usual. Attributes of points are not looked into, so
    /// [`Self::alone`] of a series that was never seen may yet be malformed.
    pub fn read(request: &'a [u8], seed: u64) -> Result<Self, Unusual> {
        let mut points = Self::default();
        let mut fields = Fields(request);
        while let Some((number, field)) = fields.next()? {
            if number == 1 {
                points.resource(bytes(field)?, seed)?;
            }
        }
        Ok(points)
    }

    /// The points.
    pub fn iter(&self) -> std::slice::Iter<'_, Point<'a>> {
        self.points.iter()
    }

    /// An export request, encoded, that holds this point of these and nothing else.
    pub fn alone(&self, point: &Point<'a>) -> Vec<u8> {
        let (Some(resource), Some(metric)) = (self.resources.get(point.resource), self.metrics.get(point.metric))
        else {
            return Vec::new();
        };
        let mut data = Vec::new();
        put(&mut data, 1, point.bytes);
        for (number, value) in [(2, metric.temporality), (3, u64::from(metric.is_monotonic))] {
            put_varint(&mut data, number << 3);
            put_varint(&mut data, value);
        }
        let mut whole = Vec::new();
        put(&mut whole, 1, metric.name.as_bytes());
        put(&mut whole, 3, metric.unit.as_bytes());
        put(&mut whole, metric.kind.into(), &data);
        let mut scope = Vec::new();
        put(&mut scope, 2, &whole);
        let mut of_resource = Vec::new();
        if let Some(resource) = resource.bytes {
            put(&mut of_resource, 1, resource);
        }
        put(&mut of_resource, 2, &scope);
        let mut request = Vec::new();
        put(&mut request, 1, &of_resource);
        request
    }

    fn resource(&mut self, bytes_of_all: &'a [u8], seed: u64) -> Result<(), Unusual> {
        let mut resource = None;
        let mut fields = Fields(bytes_of_all);
        while let Some((number, field)) = fields.next()? {
            match number {
                1 if resource.is_some() => return Err(Unusual),
                1 => {
                    check::message(field, &RESOURCE)?;
                    resource = Some(bytes(field)?);
                }
                3 => drop(text(field)?),
                _ => {}
            }
        }
        let mut hasher = Hasher::new(seed);
        hasher.bytes(resource.unwrap_or_default());
        self.resources.push(Resource { fingerprint: hasher.finish(), bytes: resource });
        let mut fields = Fields(bytes_of_all);
        while let Some((number, field)) = fields.next()? {
            if number == 2 {
                self.scope(bytes(field)?)?;
            }
        }
        Ok(())
    }

    fn scope(&mut self, scope: &'a [u8]) -> Result<(), Unusual> {
        let mut has_scope = false;
        let mut fields = Fields(scope);
        while let Some((number, field)) = fields.next()? {
            match number {
                1 if has_scope => return Err(Unusual),
                1 => {
                    check::message(field, &SCOPE)?;
                    has_scope = true;
                }
                2 => self.metric(bytes(field)?)?,
                3 => drop(text(field)?),
                _ => {}
            }
        }
        Ok(())
    }

    fn metric(&mut self, metric: &'a [u8]) -> Result<(), Unusual> {
        let (mut name, mut unit, mut data) = ("", "", None);
        let mut fields = Fields(metric);
        while let Some((number, field)) = fields.next()? {
            match number {
                1 => name = text(field)?,
                2 => drop(text(field)?),
                3 => unit = text(field)?,
                12 => check::message(field, &KEY_VALUE)?,
                GAUGE | SUM | HISTOGRAM | EXPONENTIAL | SUMMARY if data.is_none() => {
                    data = Some((number, bytes(field)?))
                }
                GAUGE | SUM | HISTOGRAM | EXPONENTIAL | SUMMARY => return Err(Unusual),
                _ => {}
            }
        }
        let Some((kind, data)) = data else { return Ok(()) };
        let (mut temporality, mut is_monotonic) = (0, false);
        let mut fields = Fields(data);
        while let Some((number, field)) = fields.next()? {
            match number {
                2 if matches!(kind, SUM | HISTOGRAM | EXPONENTIAL) => temporality = varint(field)?,
                3 if kind == SUM => is_monotonic = varint(field)? != 0,
                _ => {}
            }
        }
        let resource = self.resources.last().map(|resource| resource.fingerprint).ok_or(Unusual)?;
        let mut hasher = Hasher::after(resource);
        hasher.bytes(name.as_bytes());
        hasher.bytes(unit.as_bytes());
        hasher.word(u64::from(kind) ^ (u64::from(is_monotonic) << 8) ^ temporality.rotate_left(16));
        self.metrics.push(Metric { name, unit, kind, temporality, is_monotonic });
        let mut fields = Fields(data);
        while let Some((number, field)) = fields.next()? {
            if number == 1 {
                self.point(bytes(field)?, hasher)?;
            }
        }
        Ok(())
    }

    fn point(&mut self, point: &'a [u8], hasher: Hasher) -> Result<(), Unusual> {
        let (Some(resource), Some(metric)) = (self.resources.last(), self.metrics.last()) else { return Err(Unusual) };
        let stated = temporality(metric.temporality);
        let (head, kind) = match metric.kind {
            GAUGE | SUM => {
                let (head, value) = number_point(point, hasher)?;
                let kind = match (value.filter(|value| value.is_finite()), metric.kind == SUM, stated) {
                    (Some(value), false, _) => Some(Kind::Level(value)),
                    (Some(value), true, Some(_)) if !metric.is_monotonic => Some(Kind::Level(value)),
                    (Some(value), true, Some(temporality)) => Some(Kind::Count(value, temporality)),
                    _ => None,
                };
                (head, kind)
            }
            HISTOGRAM => {
                let (head, found) = histogram_point(point, hasher)?;
                let taken = stated.filter(|_| found.is_sound());
                let kind = taken.map(|temporality| Kind::Distribution(Distribution { temporality, ..found.cleaned() }));
                (head, kind)
            }
            _ => (Head::unread(hasher), Some(Kind::Other)),
        };
        let is_told = head.flags & NO_VALUE == 0 && head.has_time() && !metric.name.is_empty();
        match kind.filter(|kind| is_told || matches!(kind, Kind::Other)) {
            Some(kind) => self.points.push(Point {
                speaker: resource.fingerprint,
                series: head.hasher.finish(),
                time: Timestamp::from_otlp(head.time),
                start: (head.start != 0).then(|| Timestamp::from_otlp(head.start)),
                kind,
                resource: self.resources.len().saturating_sub(1),
                metric: self.metrics.len().saturating_sub(1),
                bytes: point,
            }),
            // Nobody will look at it again.
            None => head.check(point, metric.kind)?,
        }
        Ok(())
    }
}

/// What all kinds of points have.
struct Head {
    hasher: Hasher,
    start: u64,
    time: u64,
    flags: u32,
}

impl Head {
    fn unread(hasher: Hasher) -> Self {
        Self { hasher, start: 0, time: 0, flags: 0 }
    }

    fn has_time(&self) -> bool {
        self.time != 0 && i64::try_from(self.time).is_ok()
    }

    /// Whether the attributes of a point are well formed.
    fn check(&self, point: &[u8], kind: u32) -> Result<(), Unusual> {
        let attributes = if kind == HISTOGRAM { 9 } else { 7 };
        let mut fields = Fields(point);
        while let Some((number, field)) = fields.next()? {
            if number == attributes {
                check::message(field, &KEY_VALUE)?;
            }
        }
        Ok(())
    }
}

fn number_point(point: &[u8], hasher: Hasher) -> Result<(Head, Option<f64>), Unusual> {
    let mut head = Head::unread(hasher);
    let mut value = None;
    let mut fields = Fields(point);
    while let Some((number, field)) = fields.next()? {
        match number {
            2 => head.start = fixed64(field)?,
            3 => head.time = fixed64(field)?,
            4 => value = Some(f64::from_bits(fixed64(field)?)),
            5 => check::message(field, &EXEMPLAR)?,
            6 => value = Some(fixed64(field)?.cast_signed() as f64),
            7 => head.hasher.bytes(bytes(field)?),
            8 => head.flags = varint(field)? as u32,
            _ => {}
        }
    }
    Ok((head, value))
}

fn histogram_point(point: &[u8], hasher: Hasher) -> Result<(Head, Distribution<'_>), Unusual> {
    let mut head = Head::unread(hasher);
    let (mut bounds, mut buckets) = (None, None);
    let (mut count, mut sum) = (0, None);
    let mut fields = Fields(point);
    while let Some((number, field)) = fields.next()? {
        match number {
            2 => head.start = fixed64(field)?,
            3 => head.time = fixed64(field)?,
            4 => count = fixed64(field)?,
            5 => sum = Some(f64::from_bits(fixed64(field)?)),
            6 => packed(field, &mut buckets)?,
            7 => packed(field, &mut bounds)?,
            8 => check::message(field, &EXEMPLAR)?,
            9 => head.hasher.bytes(bytes(field)?),
            10 => head.flags = varint(field)? as u32,
            11 | 12 => drop(fixed64(field)?),
            _ => {}
        }
    }
    let (bounds, buckets) = (bounds.unwrap_or_default(), buckets.unwrap_or_default());
    Ok((head, Distribution { count, sum, temporality: Temporality::Delta, bounds, buckets }))
}

/// Takes a packed field of eight bytes each, which comes once.
fn packed<'a>(field: Field<'a>, to: &mut Option<&'a [u8]>) -> Result<(), Unusual> {
    let bytes = bytes(field)?;
    if to.is_some() || !bytes.len().is_multiple_of(8) {
        return Err(Unusual);
    }
    *to = Some(bytes);
    Ok(())
}

impl Distribution<'_> {
    /// Whether its buckets fit its bounds, and all is finite.
    fn is_sound(&self) -> bool {
        let (bounds, buckets) = (self.bounds(), self.buckets());
        let fits = buckets.len() == 0 || buckets.len().checked_sub(1) == Some(bounds.len());
        let mut pairs = bounds.clone().zip(bounds.clone().skip(1));
        fits && pairs.all(|(lower, upper)| lower < upper)
            && bounds.clone().all(f64::is_finite)
            && self.buckets().try_fold(0_u64, u64::checked_add).is_some()
            && self.sum.is_none_or(f64::is_finite)
    }

    /// Bounds without counts say nothing.
    fn cleaned(self) -> Self {
        if self.buckets.is_empty() { Self { bounds: &[], ..self } } else { self }
    }
}

fn temporality(stated: u64) -> Option<Temporality> {
    // Numbers of an enum are 32 bits wide, whatever lies above.
    match stated as u32 {
        1 => Some(Temporality::Delta),
        2 => Some(Temporality::Cumulative),
        _ => None,
    }
}

fn put(to: &mut Vec<u8>, number: u64, bytes: &[u8]) {
    put_varint(to, (number << 3) | 2);
    put_varint(to, bytes.len() as u64);
    to.extend_from_slice(bytes);
}

fn put_varint(to: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        to.push((value as u8) | 0x80);
        value >>= 7;
    }
    to.push(value as u8);
}
