//! What every gRPC service of the mesh shares: servers, peers, error mapping, tracing, trace ids.
