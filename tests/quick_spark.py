"""Spark settings for plans that run once, on a few rows."""

# Compiling well what runs for a moment took more than half of a small night's processor time: by Spark, which generates
# code, and by Java's second compiler. The first one's code needs more room than Java gives it without the second, and
# the classes more than what sets off a collection.
JAVA_OPTIONS = "-XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=240m -XX:MetaspaceSize=256m"
QUICK = {
    "spark.driver.memory": "2g",
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
}
