"""Where a registry keeps the schemas: one subject for each topic's values (TopicNameStrategy)."""

from stream_topology.stages import all_topics


def subject_of(topic: str) -> str:
    """The subject of a topic's values; the topic's name with its prefix."""
    return f"{topic}-value"


def subjects(prefix: str) -> dict[str, str]:
    """The record by subject, for all topics under a prefix."""
    return {subject_of(prefix + topic.name): topic.record for topic in all_topics()}
