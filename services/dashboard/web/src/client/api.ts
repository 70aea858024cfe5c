// The services that the page asks, over gRPC-Web.

import { type Client, Code, ConnectError, createClient, type Interceptor } from "@connectrpc/connect";
import { createGrpcWebTransport } from "@connectrpc/connect-web";
import { DashboardService } from "@contracts/dashboard/v1/dashboard_service_pb";
import { DiagnosisService } from "@contracts/diagnosis/v1/diagnosis_service_pb";
import { FleetService } from "@contracts/fleet/v1/fleet_service_pb";
import { IncidentService } from "@contracts/incident/v1/incident_service_pb";
import { RemediationService } from "@contracts/remediation/v1/remediation_service_pb";
import { TelemetryService } from "@contracts/telemetry/v1/telemetry_service_pb";
import { isSignedOut } from "./session";

/** Whoever asks and is not known any more is asked to sign in, whatever it was about. */
const noteWhoIsOut: Interceptor = (next) => async (request) => {
  try {
    return await next(request);
  } catch (error) {
    if (ConnectError.from(error).code === Code.Unauthenticated) isSignedOut("");
    throw error;
  }
};

// Version 2.3.0 of connect lets each read of a stream race against one promise of the whole call, which keeps something of every
// message until the stream ends. The story of the page that is left open would show it.
const transport = createGrpcWebTransport({
  interceptors: [noteWhoIsOut],
  baseUrl: location.origin,
  // Streams say how long they may take themselves, and none may take for ever.
  defaultTimeoutMs: 20_000,
});

export const dashboard: Client<typeof DashboardService> = createClient(DashboardService, transport);
export const diagnoses: Client<typeof DiagnosisService> = createClient(DiagnosisService, transport);
export const fleet: Client<typeof FleetService> = createClient(FleetService, transport);
export const incidents: Client<typeof IncidentService> = createClient(IncidentService, transport);
export const remediation: Client<typeof RemediationService> = createClient(RemediationService, transport);
export const telemetry: Client<typeof TelemetryService> = createClient(TelemetryService, transport);

/** An error in a line for people. */
export function inWords(error: unknown): string {
  const failure = ConnectError.from(error);
  switch (failure.code) {
    case Code.Unavailable:
      return `not available: ${failure.rawMessage}`;
    case Code.DeadlineExceeded:
      return "no answer in time";
    case Code.Unauthenticated:
      return "you are not signed in";
    case Code.PermissionDenied:
      return `not allowed: ${failure.rawMessage}`;
    default:
      return failure.rawMessage || Code[failure.code] || "unknown error";
  }
}

/** Names a call, so that asking twice has one effect. */
export function requestId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
