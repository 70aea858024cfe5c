//! `TelemetryService`: questions to the telemetry store, each bounded in range and size.

use std::sync::Arc;
use std::time::Duration;

use llm_sre_domain::ServiceId;
use llm_sre_domain::telemetry::LogSeverity;
use llm_sre_mesh::{page, status};
use llm_sre_ports::telemetry::{self, LogQuery, Parts, RANGE_MAX, Range, SeriesQuery, TelemetryStore};
use llm_sre_proto::ConvertError;
use llm_sre_proto::convert::common::{from_proto_time, required_service, to_proto_duration, to_proto_time};
use llm_sre_proto::convert::telemetry::service_filter;
use llm_sre_proto::telemetry::v1;
use llm_sre_proto::telemetry::v1::telemetry_service_server::TelemetryService;
use tonic::{Code, Request, Response, Status};

use crate::reduce::{Dot, View, reduce};
use crate::turns::Turns;

/// How long a caller waits before it asks an absent store again.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Points of one series that are read for a view, and of all of them: some 60 MB while they are reduced.
const READ_OF_SERIES_MAX: usize = 200_000;
const READ_MAX: usize = 500_000;
/// Points of all series in an answer with a view. Each has some 30 bytes, of the 4 MiB that a message may have.
const SHOWN_MAX: usize = 120_000;

/// Questions for series that are answered at once: with half a million points each, some 240 MB.
const SERIES_AT_ONCE: usize = 4;
/// Counts at once: each reads all that match, and others wait for the store meanwhile.
const COUNTS_AT_ONCE: usize = 2;
/// Parts of a range in which log records are counted.
const PARTS: usize = 60;
const PARTS_MAX: usize = 240;

/// Answers from the store.
pub(crate) struct Queries {
    store: Arc<dyn TelemetryStore>,
    /// Of those who ask for series, whose answers are the large ones.
    series: Turns,
    /// Of those who count log records, which reads all that match.
    counts: Turns,
}

impl Queries {
    pub(crate) fn new(store: Arc<dyn TelemetryStore>) -> Self {
        Self {
            store,
            series: Turns::new("series are read", SERIES_AT_ONCE),
            counts: Turns::new("records are counted", COUNTS_AT_ONCE),
        }
    }
}

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl TelemetryService for Queries {
    async fn list_services(&self, request: Request<v1::ListServicesRequest>) -> Answer<v1::ListServicesResponse> {
        let request = request.into_inner();
        let range = range(request.range.as_ref())?;
        let size = page::size(request.page_size, 100, 1000)?;
        let after = service_of_token(&request.page_token)?;
        let found = self.store.services(range, after.as_ref(), size + 1).await.map_err(refusal)?;
        let (page, more) = page::cut(found, size);
        let next = page.last().filter(|_| more).map(|last| token_of_service(&last.service));
        let services = page.into_iter().map(|seen| v1::Service {
            identity: Some((&seen.service).into()),
            last_seen_time: Some(to_proto_time(seen.last_seen)),
            metrics: seen.metrics,
        });
        let services = services.collect();
        Ok(Response::new(v1::ListServicesResponse { services, next_page_token: next.unwrap_or_default() }))
    }

    async fn query_series(&self, request: Request<v1::QuerySeriesRequest>) -> Answer<v1::QuerySeriesResponse> {
        let request = request.into_inner();
        let service = required_service("service", request.service.as_ref()).map_err(|error| invalid(&error))?;
        if request.metric.is_empty() {
            return Err(status::invalid_argument("metric", "is required"));
        }
        let view = view(request.view)?;
        let series_max = page::size(request.page_size, 50, 500)?;
        let points_max = page::size(request.max_points, 500, 5000)
            .map_err(|_| status::invalid_argument("max_points", "is not negative"))?;
        let range = range(request.range.as_ref())?;
        let query = SeriesQuery {
            service: service.clone(),
            metric: request.metric.clone(),
            attributes: request.attributes,
            instance: request.instance,
            range,
            series_max,
            points_max: view.map_or(points_max, |_| (READ_MAX / series_max).min(READ_OF_SERIES_MAX)),
        };
        let (turn, store) = (self.series.take().await?, self.store.clone());
        let found = turn.read(async move { store.series(query).await }).await?.map_err(refusal)?;
        let most = points_max.min(SHOWN_MAX / found.series.len().max(1));
        let mut reduced = false;
        let series = found.series.into_iter().map(|series| v1::Series {
            service: Some((&service).into()),
            origin: Some((&series.origin).into()),
            metric: request.metric.clone(),
            unit: series.unit,
            attributes: series.attributes,
            points: match view {
                None => series.points.into_iter().map(point).collect(),
                Some(view) => {
                    let (dots, is_reduced) = reduce(view.read(&series.points), range, most);
                    reduced |= is_reduced;
                    dots.into_iter().map(dot).collect()
                }
            },
        });
        let series = series.collect();
        Ok(Response::new(v1::QuerySeriesResponse { series, truncated: found.truncated, reduced }))
    }

    async fn search_logs(&self, request: Request<v1::SearchLogsRequest>) -> Answer<v1::SearchLogsResponse> {
        let query = log_query(request.into_inner())?;
        let found = self.store.search_logs(query).await.map_err(refusal)?;
        let records = found.records.iter().map(v1::LogRecord::from).collect();
        Ok(Response::new(v1::SearchLogsResponse { records, next_page_token: found.next.unwrap_or_default() }))
    }

    async fn count_logs(&self, request: Request<v1::CountLogsRequest>) -> Answer<v1::CountLogsResponse> {
        let v1::CountLogsRequest { range, query, service, min_severity, trace_id, max_parts } = request.into_inner();
        let most = parts(max_parts)?;
        // The same question but for pages, of which counts have none.
        let page = v1::SearchLogsRequest { range, query, service, min_severity, trace_id, ..Default::default() };
        let query = log_query(page)?;
        let parts = Parts::of(query.range, most);
        let (turn, store) = (self.counts.take().await?, self.store.clone());
        let found = turn.read(async move { store.count_logs(query, parts).await }).await?.map_err(refusal)?;
        let counts = found.into_iter().map(|((part, severity), count)| v1::LogCount {
            start_time: Some(to_proto_time(parts.start_of(part))),
            severity: v1::LogSeverity::from(severity).into(),
            count: i64::try_from(count).unwrap_or(i64::MAX),
        });
        let part_duration = Some(to_proto_duration(parts.width));
        Ok(Response::new(v1::CountLogsResponse { counts: counts.collect(), part_duration }))
    }

    async fn list_changes(&self, request: Request<v1::ListChangesRequest>) -> Answer<v1::ListChangesResponse> {
        let request = request.into_inner();
        let range = range(request.range.as_ref())?;
        let size = page::size(request.page_size, 100, 1000)?;
        let service = service_filter(request.service.as_ref());
        let found = self.store.changes(range, service.as_ref(), size + 1).await.map_err(refusal)?;
        let (changes, truncated) = page::cut(found, size);
        let changes = changes.iter().map(v1::Change::from).collect();
        Ok(Response::new(v1::ListChangesResponse { changes, truncated }))
    }

    async fn list_service_calls(
        &self,
        request: Request<v1::ListServiceCallsRequest>,
    ) -> Answer<v1::ListServiceCallsResponse> {
        let request = request.into_inner();
        let range = range(request.range.as_ref())?;
        let size = page::size(request.page_size, 1000, 10_000)?;
        let found = self.store.calls(range, size + 1).await.map_err(refusal)?;
        let (calls, truncated) = page::cut(found, size);
        let calls = calls.into_iter().map(|sum| v1::ServiceCall {
            client: Some((&sum.client).into()),
            server: Some((&sum.server).into()),
            call_count: sum.count,
            last_seen_time: Some(to_proto_time(sum.last_seen)),
        });
        Ok(Response::new(v1::ListServiceCallsResponse { calls: calls.collect(), truncated }))
    }
}

fn view(view: i32) -> Result<Option<View>, Status> {
    match v1::SeriesView::try_from(view) {
        Ok(v1::SeriesView::Unspecified) => Ok(None),
        Ok(v1::SeriesView::Value) => Ok(Some(View::Value)),
        Ok(v1::SeriesView::Rate) => Ok(Some(View::Rate)),
        Ok(v1::SeriesView::Mean) => Ok(Some(View::Mean)),
        Err(_) => Err(status::invalid_argument("view", format!("the value {view} is not known"))),
    }
}

fn range(range: Option<&v1::TimeRange>) -> Result<Range, Status> {
    let range = range.ok_or_else(|| status::invalid_argument("range", "is required"))?;
    let time = |field, time: Option<&pbjson_types::Timestamp>| {
        time.map(from_proto_time).ok_or_else(|| status::invalid_argument(field, "is required"))
    };
    let start = time("range.start_time", range.start_time.as_ref())?;
    let end = time("range.end_time", range.end_time.as_ref())?;
    if end <= start {
        return Err(status::invalid_argument("range.end_time", "is not after range.start_time"));
    }
    if end.since(start) > RANGE_MAX {
        let days = RANGE_MAX.as_secs() / (24 * 3600);
        return Err(status::invalid_argument("range", format!("is longer than {days} days")));
    }
    Ok(Range { start, end })
}

fn log_query(request: v1::SearchLogsRequest) -> Result<LogQuery, Status> {
    Ok(LogQuery {
        range: range(request.range.as_ref())?,
        text: request.query,
        service: service_filter(request.service.as_ref()),
        min_severity: severity(request.min_severity)?,
        trace_id: trace_id(&request.trace_id)?,
        limit: page::size(request.page_size, 100, 1000)?,
        cursor: Some(request.page_token).filter(|token| !token.is_empty()),
    })
}

fn severity(number: i32) -> Result<LogSeverity, Status> {
    let known = v1::LogSeverity::try_from(number);
    known
        .map(LogSeverity::from)
        .map_err(|_| status::invalid_argument("min_severity", format!("the value {number} is not known")))
}

/// Into how many parts a range is cut.
fn parts(asked: i32) -> Result<usize, Status> {
    match usize::try_from(asked) {
        Ok(0) => Ok(PARTS),
        Ok(parts) => Ok(parts.min(PARTS_MAX)),
        Err(_) => Err(status::invalid_argument("max_parts", "is negative")),
    }
}

fn trace_id(text: &str) -> Result<Option<[u8; 16]>, Status> {
    if text.is_empty() {
        return Ok(None);
    }
    let is_hex = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let parsed = u128::from_str_radix(text, 16).ok().filter(|_| is_hex);
    let problem = || status::invalid_argument("trace_id", "is not 32 hexadecimal digits");
    parsed.map(|id| Some(id.to_be_bytes())).ok_or_else(problem)
}

fn point(point: telemetry::Point) -> v1::Point {
    let quantiles = point.quantiles.into_iter().map(|(quantile, value)| v1::Quantile { quantile, value }).collect();
    v1::Point { time: Some(to_proto_time(point.time)), value: point.value, count: point.count, quantiles }
}

fn dot(dot: Dot) -> v1::Point {
    v1::Point { time: Some(to_proto_time(dot.time)), value: dot.value, ..v1::Point::default() }
}

/// The last service of a page, in hexadecimal, because its parts may hold anything.
fn token_of_service(service: &ServiceId) -> String {
    let parts = [&*service.namespace, &*service.name, &*service.environment].join("\0");
    parts.bytes().map(|byte| format!("{byte:02x}")).collect()
}

fn service_of_token(token: &str) -> Result<Option<ServiceId>, Status> {
    if token.is_empty() {
        return Ok(None);
    }
    let bytes = token.as_bytes().chunks(2).map(|pair| {
        let pair = std::str::from_utf8(pair).ok().filter(|pair| pair.len() == 2)?;
        u8::from_str_radix(pair, 16).ok()
    });
    let text = bytes.collect::<Option<Vec<u8>>>().and_then(|bytes| String::from_utf8(bytes).ok());
    let parts: Option<Vec<&str>> = text.as_ref().map(|text| text.split('\0').collect());
    match parts.as_deref() {
        Some([namespace, name, environment]) => Ok(Some(ServiceId::new(namespace, name, environment))),
        _ => Err(status::invalid_argument("page_token", "is not from an answer of this method")),
    }
}

fn invalid(error: &ConvertError) -> Status {
    match error {
        ConvertError::Missing(field) => status::invalid_argument(field, "is required"),
        ConvertError::Invalid { field, reason } => status::invalid_argument(field, reason),
    }
}

fn refusal(error: telemetry::Error) -> Status {
    match error {
        telemetry::Error::InvalidArgument { what: "cursor", reason } => status::invalid_argument("page_token", reason),
        telemetry::Error::InvalidArgument { what, reason } => status::invalid_argument(what, reason),
        telemetry::Error::Unavailable(_) => status::unavailable("telemetry store", error, RETRY_AFTER),
        telemetry::Error::Corrupt(_) => {
            tracing::error!(%error, "failed to read telemetry");
            status::error(Code::DataLoss, "CORRUPT", error.to_string(), &[])
        }
        telemetry::Error::Full => status::internal(error.to_string()),
    }
}
