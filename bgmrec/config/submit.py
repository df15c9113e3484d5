"""Settings of jobs/submit.py: what is shipped to a cluster, and how each kind of cluster is addressed."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from bgmrec.config.base import MayBeBlank, Section

DeployMode = Literal["client", "cluster"]
Conf = Annotated[dict[str, str], MayBeBlank()]


class StandaloneSettings(Section):
    """`[submit.standalone]`: Spark's own cluster manager. The driver runs on the submitting machine: this cluster
    manager accepts no Python drivers."""

    deploy_mode: ClassVar[DeployMode] = "client"

    master: str = "spark://localhost:7077"
    """URL of the master."""

    conf: Conf = {}
    """Spark settings for this cluster; they win over `[spark.conf]`."""


class YarnSettings(Section):
    """`[submit.yarn]`: the cluster that the environment variable HADOOP_CONF_DIR describes."""

    master: ClassVar[str] = "yarn"

    deploy_mode: DeployMode = "cluster"
    """Where the driver runs. `cluster`: on the cluster; settings files are shipped. `client`: on the submitting
    machine."""

    conf: Conf = {}
    """Spark settings for this cluster, for example `"spark.yarn.queue"`; they win over `[spark.conf]`."""


class KubernetesSettings(Section):
    """`[submit.kubernetes]`: the image needs Spark, Java 17 and the Python that packed the archive."""

    master: str = "k8s://https://localhost:6443"
    """URL of the API server, after `k8s://`."""

    deploy_mode: DeployMode = "cluster"
    """Where the driver runs. `cluster`: in a pod; settings files are shipped. `client`: on the submitting machine."""

    conf: Conf = {}
    """Spark settings for this cluster; they win over `[spark.conf]`. Must hold `"spark.kubernetes.container.image"` and
    `"spark.kubernetes.file.upload.path"`."""


class SubmitSettings(Section):
    """`[submit]`: what jobs/submit.py ships."""

    environment: str = "dist/environment.tar.gz"
    """Archive of the Python environment, made by `make package`: a local file, or a URI that the cluster reads."""

    standalone: StandaloneSettings = StandaloneSettings()
    yarn: YarnSettings = YarnSettings()
    kubernetes: KubernetesSettings = KubernetesSettings()


TargetSettings = StandaloneSettings | YarnSettings | KubernetesSettings
