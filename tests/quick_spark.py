"""Spark settings for plans that run once, on a few rows."""

# Compiling well what runs for a moment took more than half of a small night's processor time: by Spark, which generates
# code, and by Java's second compiler. The first one's code needs more room than Java gives it without the second, and
# the classes more than what sets off a collection.
# Concurrent collection competes with the tests for the cores. Hadoop starts a chmod for each local file, which VFORK
# makes cheaper; the context selector spares a walk over the stack for each new logger.
JAVA_OPTIONS = (
    "-XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=240m -XX:MetaspaceSize=256m "
    "-XX:+UseParallelGC -XX:NewSize=512m -Djdk.lang.Process.launchMechanism=VFORK "
    "-Dlog4j2.contextSelector=org.apache.logging.log4j.core.selector.BasicContextSelector"
)
QUICK = {
    "spark.driver.memory": "2g",
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    # the status of thousands of finished queries fills the heap
    "spark.sql.ui.retainedExecutions": "20",
    "spark.sql.ui.explainMode": "simple",
}
