"""Settings of jobs/submit.py: what is shipped to a cluster, and how each kind of cluster is asked."""

from __future__ import annotations

from typing import Literal

from bgmrec.config.base import Section


class TargetSettings(Section):
    """One kind of cluster: where it is asked, where the driver runs, Spark settings over those of `[spark.conf]`."""

    master: str
    deploy_mode: Literal["client", "cluster"] = "cluster"  # cluster: the driver runs there; client: where it is asked
    conf: dict[str, str] = {}


class StandaloneSettings(TargetSettings):
    """`[submit.standalone]`: Spark's own cluster manager, which takes no Python drivers."""

    master: str = "spark://localhost:7077"
    deploy_mode: Literal["client"] = "client"


class YarnSettings(TargetSettings):
    """`[submit.yarn]`: the cluster that HADOOP_CONF_DIR describes."""

    master: Literal["yarn"] = "yarn"


class KubernetesSettings(TargetSettings):
    """`[submit.kubernetes]`: the API server; the image needs Spark, Java 17 and the Python that packed the archive."""

    master: str = "k8s://https://localhost:6443"


class SubmitSettings(Section):
    """`[submit]`: what `make package` made, and the clusters by kind."""

    environment: str = "dist/environment.tar.gz"
    standalone: StandaloneSettings = StandaloneSettings()
    yarn: YarnSettings = YarnSettings()
    kubernetes: KubernetesSettings = KubernetesSettings()
