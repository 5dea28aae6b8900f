"""Runs as tasks on ECS: the template's launcher against an imitation of AWS over HTTP."""

from __future__ import annotations

import boto3
import dagster as dg
import pytest
import yaml
from dagster._core.test_utils import create_run_for_test
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import ModuleTarget
from moto.server import ThreadedMotoServer

from tests.conftest import PROJECT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture
def aws(monkeypatch):
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    yield
    server.stop()


def test_a_run_is_a_task_with_cpu_and_memory_of_its_tags(aws, monkeypatch, tmp_path):
    ecs, ec2 = boto3.client("ecs"), boto3.client("ec2")
    ecs.create_cluster(clusterName="periscope")
    definition = ecs.register_task_definition(
        family="periscope",
        networkMode="awsvpc",
        requiresCompatibilities=["FARGATE"],
        cpu="1024",
        memory="2048",
        containerDefinitions=[
            {"name": "periscope", "image": "periscope:test", "essential": True, "cpu": 1024, "memory": 2048}
        ],
    )["taskDefinition"]["taskDefinitionArn"]
    monkeypatch.setenv("PERISCOPE_ECS_TASK_DEFINITION", definition)
    monkeypatch.setenv("PERISCOPE_HOME", str(tmp_path / "home"))
    launcher = yaml.safe_load((PROJECT / "infra" / "ecs.yaml").read_text())["run_launcher"]
    subnets = [each["SubnetId"] for each in ec2.describe_subnets()["Subnets"][:1]]
    groups = [ec2.describe_security_groups()["SecurityGroups"][0]["GroupId"]]
    launcher["config"]["run_task_kwargs"]["networkConfiguration"] = {
        "awsvpcConfiguration": {"subnets": subnets, "securityGroups": groups, "assignPublicIp": "ENABLED"}
    }
    target = ModuleTarget(
        module_name="periscope_assets.definitions",
        attribute=None,
        working_directory=str(PROJECT),
        location_name="periscope",
    )
    with (
        dg.instance_for_test(overrides={"run_launcher": launcher}) as instance,
        WorkspaceProcessContext(instance, target) as process,
    ):
        workspace = process.create_request_context()
        location = workspace.get_code_location("periscope")
        (repository,) = location.get_repositories().values()
        job = repository.get_full_job("build_surfaces")
        run = create_run_for_test(
            instance,
            job_name="build_surfaces",
            remote_job_origin=job.get_remote_origin(),
            job_code_origin=job.get_python_origin(),
            tags=dict(job.tags),
        )
        instance.launch_run(run.run_id, workspace)
        (arn,) = ecs.list_tasks(cluster="periscope")["taskArns"]
        (task,) = ecs.describe_tasks(cluster="periscope", tasks=[arn])["tasks"]
        tags = instance.get_run_by_id(run.run_id).tags
    overrides = task["overrides"]
    assert (overrides["cpu"], overrides["memory"]) == (job.tags["ecs/cpu"], job.tags["ecs/memory"])
    (container,) = overrides["containerOverrides"]
    assert container["name"] == "periscope"
    assert run.run_id in " ".join(container["command"])
    assert tags["ecs/task_arn"] == arn
