"""What readers see: contracts, the quality gate, versions and manifests, catalogue, retention, exporters."""
